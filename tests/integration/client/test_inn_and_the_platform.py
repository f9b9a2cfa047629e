# SPDX-License-Identifier: Apache-2.0
"""`inn` against the real API: every form, the life of a vm, and what is said when something is refused."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from innkeeper import Client
from innkeeper.models.account import Tokens
from tests.integration.client.conftest import Inn, shell
from tests.support.stack import Stack

MINI = ("--os", "mini", "--flavor", "tiny")


def test_a_vm_s_life_by_name(inn: Inn) -> None:
    made = inn("vm", "create", "life", *MINI, "--label", "tier=dev")
    assert made.returncode == 0, made.stdout + made.stderr
    lines = made.stdout.splitlines()
    assert any("life job.succeeded" in line for line in lines), made.stdout
    assert "\x1b" not in made.stdout
    shown = json.loads(inn("vm", "show", "life", "-o", "json").stdout)
    assert shown["labels"] == {"tier": "dev"}
    for verb, state in (("stop", "stopped"), ("start", "ready"), ("force-stop", "stopped")):
        done = inn("vm", verb, "life")
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(inn("vm", "show", "life", "-o", "json").stdout)["state"].startswith(state)
    gone = inn("vm", "delete", "life", "--yes")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert inn("vm", "show", "life").returncode == 4


def test_async_prints_a_job_that_can_be_watched_and_shown(inn: Inn) -> None:
    job = inn("vm", "create", "later", *MINI, "--async").stdout.strip()
    watched = inn("job", "watch", job)
    assert watched.returncode == 0, watched.stdout + watched.stderr
    kinds = [line.split()[2] for line in watched.stdout.splitlines()]
    assert (kinds[0], kinds[-1]) == ("job.queued", "job.succeeded")
    shown = inn("job", "show", job).stdout
    assert "succeeded" in shown
    assert "verify" in shown
    assert job in inn("job", "list", "-o", "name").stdout.split()


def test_every_list_has_something_to_show(inn: Inn) -> None:
    for noun, expected in (("os", "mini"), ("flavor", "tiny"), ("network", "default"), ("host", "fake-1")):
        done = inn(noun, "list")
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout, done.stdout
        assert isinstance(json.loads(inn(noun, "list", "-o", "json").stdout), list)
    assert "up" in inn("host", "show", "fake-1").stdout


def test_a_medium_is_uploaded_by_name_a_vm_made_from_it_and_deleted(inn: Inn, tmp_path: Path) -> None:
    file = tmp_path / "debian-13.raw"
    file.write_bytes(bytes(510) + b"\x55\xaa" + bytes(range(256)) * 80_000)  # more than one piece
    done = inn("media", "upload", "deb", str(file), "--os", "debian-13")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "available" in done.stdout
    shown = json.loads(inn("media", "show", "deb", "-o", "json").stdout)
    assert (shown["size"], shown["protect"], shown["kind"]) == (file.stat().st_size, True, "cloud-image")
    made = inn("vm", "create", "from-deb", "--os", "debian-13", "--flavor", "small")
    assert made.returncode == 0, made.stdout + made.stderr
    assert "deb" in inn("media", "list").stdout
    assert inn("media", "delete", "deb", "--yes").returncode == 0
    assert inn("media", "show", "deb").returncode == 4


def test_whoami_names_user_and_server(inn: Inn, stack: Stack) -> None:
    done = inn("whoami")
    assert done.returncode == 0, done.stderr
    assert "admin" in done.stdout
    assert stack.api_url in done.stdout


def test_a_dry_run_leaves_nothing_behind(inn: Inn) -> None:
    done = inn("vm", "create", "never", *MINI, "--dry-run", "-o", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["vm"]["name"] == "never"
    assert inn("vm", "show", "never").returncode == 4


def test_a_dry_run_names_the_host_for_people(inn: Inn) -> None:
    said = inn("vm", "create", "never", *MINI, "--dry-run").stdout
    assert "would make" in said
    assert "goes to fake-1" in said


def test_an_image_is_built_kept_and_downloaded_also_after_a_break(inn: Inn, tmp_path: Path) -> None:
    at_once = tmp_path / "at-once.iso"
    done = inn("image", "build", "stick", *MINI, "-o", str(at_once))
    assert (done.returncode, done.stdout.strip()) == (0, str(at_once)), done.stderr
    (kept,) = json.loads(inn("image", "list", "-o", "json").stdout)
    whole = at_once.read_bytes()
    assert (len(whole), whole[32769:32774]) == (kept["size"], b"CD001")
    later = tmp_path / "later.iso"
    (tmp_path / f".later.iso.{kept['id']}.part").write_bytes(whole[:40_000])  # what a break has left
    assert inn("image", "download", kept["id"], "-o", str(later)).returncode == 0
    assert later.read_bytes() == whole
    assert inn("image", "delete", kept["id"]).returncode == 0
    assert inn("image", "download", kept["id"]).returncode == 4


def test_an_api_token_is_enough_for_a_program(stack: Stack) -> None:
    made = stack.http.post("/v1/tokens", json={"name": "ci", "scopes": ["read"], "expires_in": 3600})
    assert made.status_code == 201, made.text
    environ = {k: v for k, v in stack.env.items() if not k.startswith("INN_")}
    call = shell(environ | {"INN_URL": stack.api_url, "INN_TOKEN": made.json()["token"], "XDG_CONFIG_HOME": "/nowhere"})
    done = call("flavor", "list", "-o", "name")
    assert done.returncode == 0, done.stderr
    assert "tiny" in done.stdout.split()


def test_explain_says_where_and_why_and_what_would_fit(inn: Inn) -> None:
    fits = inn("explain", *MINI)
    assert fits.returncode == 0, fits.stderr
    assert "goes to fake-1" in fits.stdout
    assert "SCORE" in fits.stdout
    assert "capacity" in fits.stdout


def test_a_wrong_request_names_fields_and_fixes(inn: Inn) -> None:
    done = inn("vm", "create", "Bad_Name", "--os", "mini", "--flavor", "tiny", "--network", "default=192.0.2.300/24")
    assert done.returncode == 5
    assert "/name" in done.stderr
    assert "fix:" in done.stderr
    assert inn("vm", "create", "x", "--os", "no-such", "--flavor", "tiny").returncode == 5


def test_a_name_in_use_is_a_conflict(inn: Inn) -> None:
    assert inn("vm", "create", "twin", *MINI).returncode == 0
    done = inn("vm", "create", "twin", *MINI)
    assert done.returncode in (5, 6)
    assert "twin" in done.stderr


def test_a_wrong_password_is_exit_3(inn: Inn, stack: Stack) -> None:
    done = inn(
        "--context", "other", "login", stack.api_url, "-u", "admin", "--password-stdin", input="wrong-password\n"
    )
    assert done.returncode == 3
    assert "wrong-password" not in done.stdout + done.stderr


def test_one_key_makes_one_vm_however_often_it_is_sent(stack: Stack) -> None:
    password = (stack.directory / "admin.password").read_text().strip()
    spec = {"name": "once", "os": "mini", "flavor": "tiny"}
    with Client(stack.api_url) as client:
        client.login("admin", password)
        with ThreadPoolExecutor(8) as pool:
            ids = set(pool.map(lambda _: client.vms.create(spec, idempotency_key="k-once").vm.id, range(16)))
        assert len(ids) == 1
        job = next(j for j in client.jobs.list() if j.vm in ids)
        assert client.jobs.wait(job.id, timeout=60).succeeded


def test_a_refresh_token_gives_a_new_pair_and_logout_ends_it(stack: Stack) -> None:
    password = (stack.directory / "admin.password").read_text().strip()
    with Client(stack.api_url) as client:
        first = client.login("admin", password)
        with Client(stack.api_url, Tokens(access_token="stale", refresh_token=first.refresh_token)) as renewed:
            assert renewed.me()
            renewed.logout()


def test_what_can_be_seen_of_a_vm_and_of_one_that_broke(inn: Inn, tmp_path: Path) -> None:
    assert inn("vm", "create", "seen", *MINI).returncode == 0
    assert "fake console of seen" in inn("vm", "console-log", "seen").stdout
    file = tmp_path / "seen.png"
    assert inn("vm", "screenshot", "seen", "-o", str(file)).returncode == 0
    assert file.read_bytes().startswith(b"\x89PNG")
    broken = inn("vm", "create", "broken-boot-fails", *MINI)
    assert broken.returncode == 7
    assert "told to fail" in broken.stderr
    job = inn("job", "list", "-o", "name").stdout.split()[0]
    shown = inn("job", "show", job).stdout
    assert "console, its end:" in shown
    assert f"--job {job}" in shown
    assert "told to fail" in inn("vm", "console-log", "broken-boot-fails", "--job", job).stdout
    assert inn("vm", "delete", "seen", "broken-boot-fails", "--yes").returncode == 0

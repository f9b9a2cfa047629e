# SPDX-License-Identifier: Apache-2.0
"""`create-admin`: the way in on an installation that nobody can sign in to yet."""

from pathlib import Path

from click.testing import CliRunner, Result

from services.api.admin import main
from tests.support.front_door import Api


def create_admin(url: str, username: str, file: Path) -> Result:
    words = ["create-admin", "--username", username, "--password-file", str(file)]
    return CliRunner(env={"INNKEEPER_DATABASE_URL": url}).invoke(main, words)


def test_it_makes_an_admin_and_a_password_for_its_owners_eyes_only(api: Api, database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    done = create_admin(database_url, "root-1", file)
    assert done.exit_code == 0, done.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    password = file.read_text().strip()
    assert len(password) >= 20
    assert password not in done.output
    tokens = api.sign_in("root-1", password)
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    me = api.done("", "GET", "/v1/me", headers=bearer)
    assert me["admin"] is True
    assert [(place["name"], place["role"]) for place in me["projects"]] == [("default", "operator")]
    # again: nothing changes, the session lives on
    assert create_admin(database_url, "root-1", file).exit_code == 0
    assert api.ask("", "GET", "/v1/me", headers=bearer).status_code == 200


def test_it_gives_an_existing_user_rank_and_the_files_password(api: Api, database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("a password chosen before\n")
    user = api.user()
    before = api.sign_in(user["username"])
    assert create_admin(database_url, user["username"], file).exit_code == 0
    assert (
        api.ask("", "GET", "/v1/me", headers={"Authorization": f"Bearer {before['access_token']}"}).status_code == 401
    )
    assert api.sign_in(user["username"], "a password chosen before")
    assert api.done("admin", "GET", f"/v1/users/{user['id']}")["admin"] is True


def test_what_is_wrong_is_said_in_one_line(database_url: str, tmp_path: Path, api: Api) -> None:
    short = tmp_path / "short"
    short.write_text("short\n")
    for url, username, file, said in (
        (database_url, "root-2", short, "8 to 256 characters"),
        (database_url, "no such name", tmp_path / "new", "is not a user name"),
        ("", "root-2", tmp_path / "new", "INNKEEPER_DATABASE_URL"),
        (f"sqlite:///{tmp_path / 'empty.db'}", "root-2", tmp_path / "new", "services.common.store.migrate"),
    ):
        done = create_admin(url, username, file)
        assert done.exit_code == 1
        assert said in done.stderr
        assert isinstance(done.exception, SystemExit)

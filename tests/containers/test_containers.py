# SPDX-License-Identifier: Apache-2.0
"""Every image: nobody's rights, a read-only root, nothing of the build left, and a bill of what is in it; and
`docker compose up`: one vm by HTTP, a worker that drains, a broker that is started again, and a Prometheus that reads
every service, takes every rule, and answers all that alerts, their pages and dashboards ask.

One module, so that one worker of pytest starts one dockerd and builds once.
"""

import json
import re
import tomllib

import httpx
import pytest
import yaml

from tests.house.promql import series, unknown
from tests.support import asked
from tests.support.containers.base import ROOT, TARGETS
from tests.support.containers.dockerd import Dockerd
from tests.support.containers.prometheus import Prometheus
from tests.support.containers.stack import RUNBOOKS, SERVICES, ComposeStack
from tests.support.waiting import until

pytestmark = [pytest.mark.timeout(1200), pytest.mark.slow]  # the first test builds everything
LARGEST_API = 200_000_000
MODULES = {
    "api": ["services.api.app", "gunicorn.app.wsgiapp", "innkeeper.cli.main", "services.common.store.migrate"],
    "conductor": ["services.conductor.__main__"],
    "scheduler": ["services.scheduler.__main__"],
    "worker": ["services.worker.__main__"],
    "imagebuilder": ["services.imagebuilder.__main__", "services.guestagent.build"],
    "hostagent-vsphere": ["services.hostagent.drivers.vsphere.driver", "services.hostagent.drivers.fake.driver"],
    "hostagent-libvirt": ["services.hostagent.drivers.libvirt.driver", "services.hostagent.drivers.fake.driver"],
    "flower": ["celery.bin.celery", "flower.command"],
}
_SCRAPED_S = 40.0  # it asks, and judges, every 15 s
# What each service tells once it had its part in a vm.
PARTS = {
    "api": 'innkeeper_api_request_seconds_count{method="POST",route="/v1/vms",status="202"}',
    "conductor": 'innkeeper_agent_events_total{kind="command.done"}',
    "scheduler": 'innkeeper_decisions_total{outcome="placed"}',
    "imagebuilder": 'innkeeper_step_seconds_count{step="build",outcome="done"}',
    "worker": 'innkeeper_step_seconds_count{step="verify",outcome="done"}',
    "hostagent": 'innkeeper_agent_commands_total{outcome="done"}',
}
# Looks around inside, as the service would: what it may write, what is there, whether its modules are whole.
LOOK = """
import importlib, json, os, pathlib, shutil, sys
written = []
for folder in ("/", "/opt/innkeeper", "/usr/local/bin", "/var/lib/innkeeper", "/tmp"):
    try:
        pathlib.Path(folder, "probe").write_text("x")
        written.append(folder)
    except OSError:
        pass
for name in sys.argv[1:]:
    importlib.import_module(name)
status = dict(line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines())
print(json.dumps({
    "ids": [os.getuid(), os.getgid()],
    "capabilities": int(status["CapEff"], 16),
    "written": written,
    "tools": [name for name in ("gcc", "cc", "ld", "strip", "git") if shutil.which(name)],
    "pip": pathlib.Path("/opt/innkeeper/site/pip").exists() or pathlib.Path("/tools").exists() and os.listdir("/tools"),
    "lists": [found.name for found in pathlib.Path("/var/lib/apt/lists").glob("*_*")],
    "bill": json.loads(pathlib.Path("/opt/innkeeper/bill.cdx.json").read_text()),
}))
"""
RUN = ("run", "--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL")


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_runs_as_nobody_on_a_read_only_root(target: str, images: dict[str, str], dockerd: Dockerd) -> None:
    safe = [*RUN, "--security-opt", "no-new-privileges", images[target], "python", "-c", LOOK, *MODULES[target]]
    seen = json.loads(dockerd.docker(*safe))
    assert seen["ids"] == [10001, 10001]
    assert seen["capabilities"] == 0
    assert seen["written"] == ["/tmp"]
    assert seen["tools"] == []
    assert not seen["pip"]
    assert seen["lists"] == []
    bill = seen["bill"]
    assert bill["metadata"]["component"]["name"] == f"innkeeper-{target}"
    urls = {part.get("purl", "").split("@")[0] for part in bill["components"]}
    assert {"pkg:pypi/celery", "pkg:deb/debian/libc6"} <= urls


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_says_what_it_is_and_how_it_ends(target: str, images: dict[str, str], dockerd: Dockerd) -> None:
    config = dockerd.inspect(images[target])["Config"]
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    labels = config["Labels"]
    assert labels["org.opencontainers.image.version"] == version
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.innkeeper.sbom"] == "/opt/innkeeper/bill.cdx.json"
    assert config["User"] == "10001:10001"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Cmd"][0] == "python3", "a shell in between would keep SIGTERM to itself"
    assert config["Healthcheck"]["Test"][0] == "CMD"


def test_the_api_s_image_is_small(images: dict[str, str], dockerd: Dockerd) -> None:
    size = int(dockerd.inspect(images["api"])["Size"])
    print(f"sizes: { {target: int(dockerd.inspect(name)['Size']) for target, name in images.items()} }")
    assert size <= LARGEST_API


def test_flower_is_not_started_for_everybody(images: dict[str, str], dockerd: Dockerd) -> None:
    done = dockerd.try_docker(*RUN, images["flower"])
    assert done.returncode == 2
    assert "FLOWER_BASIC_AUTH" in done.stderr


def test_one_request_makes_a_vm_on_the_fake_host_and_every_service_is_healthy(
    stack: ComposeStack, dockerd: Dockerd
) -> None:
    job = stack.finish(stack.create("first")["id"])
    assert job["state"] == "succeeded", job
    containers = {service: stack.container(service) for service in SERVICES}

    def unhealthy() -> list[str]:
        states = {name: dockerd.inspect(found)["State"]["Health"] for name, found in containers.items()}
        return [f"{name}: {state['Log'][-1:]}" for name, state in states.items() if state["Status"] != "healthy"]

    until(lambda: not unhealthy(), 60, "every service healthy", pause=0.5)
    for name, found in containers.items():
        seen = dockerd.inspect(found)
        assert seen["HostConfig"]["ReadonlyRootfs"], name
        assert seen["Config"]["User"] == "10001:10001", name
        assert seen["HostConfig"]["CapDrop"] == ["ALL"], name


def test_flower_answers_nobody_without_its_password(stack: ComposeStack) -> None:
    url = f"http://127.0.0.1:{stack.ports['INNKEEPER_PUBLISH_FLOWER']}/workers"
    with httpx.Client(trust_env=False) as client:
        assert client.get(url).status_code == 401
        assert client.get(url, auth=("admin", stack.passwords["FLOWER_PASSWORD"])).status_code == 200


def test_a_worker_that_is_stopped_with_work_in_hand_drains_and_its_jobs_go_on(
    stack: ComposeStack, dockerd: Dockerd
) -> None:
    jobs = [stack.create(f"drain-{n}")["id"] for n in range(4)]
    until(lambda: any(stack.job(job)["state"] == "running" for job in jobs), 60, "a job under way")
    worker = stack.container("worker")
    dockerd.docker("stop", "-t", "60", worker)
    ended = dockerd.inspect(worker)["State"]
    assert (ended["ExitCode"], ended["OOMKilled"]) == (0, False), stack.logs("worker")
    dockerd.docker("start", worker)
    assert {stack.finish(job)["state"] for job in jobs} == {"succeeded"}


def test_a_broker_that_is_started_again_loses_nothing(stack: ComposeStack, dockerd: Dockerd) -> None:
    jobs = [stack.create(f"broker-{n}")["id"] for n in range(4)]
    dockerd.docker("restart", "-t", "10", stack.container("rabbitmq"))
    over = [stack.finish(job) for job in jobs]
    assert {job["state"] for job in over} == {"succeeded"}, json.dumps(over)
    listed = stack.http.get("/v1/vms", params={"limit": 100}).raise_for_status().json()["items"]
    names = [vm["name"] for vm in listed if vm["name"].startswith("broker-")]
    assert sorted(names) == [f"broker-{n}" for n in range(4)]


def test_every_target_is_up_and_there_is_one_for_each_service(prometheus: Prometheus) -> None:
    (job,) = yaml.safe_load((ROOT / "deploy" / "compose" / "prometheus.yaml").read_text())["scrape_configs"]
    wanted = {target for group in job["static_configs"] for target in group["targets"]}

    def down() -> list[str]:
        found = prometheus.ask("/targets", state="active")["activeTargets"]
        assert {target["labels"]["instance"] for target in found} == wanted
        return [f"{target['scrapeUrl']}: {target['lastError']}" for target in found if target["health"] != "up"]

    until(lambda: not down(), _SCRAPED_S, "every target up", pause=0.5)
    assert {group["labels"]["service"] for group in job["static_configs"]} == set(PARTS)


@pytest.mark.parametrize("service", PARTS)
def test_a_service_that_had_its_part_in_a_vm_tells_so(service: str, prometheus: Prometheus) -> None:
    selector = PARTS[service].replace("{", f'{{service="{service}",')
    until(lambda: prometheus.value(f"sum({selector})"), _SCRAPED_S, selector, pause=0.5)


def test_every_rule_is_loaded_and_judged_without_an_error(prometheus: Prometheus) -> None:
    wanted = {name: [rule["alert"] for rule in rules] for name, rules in asked.groups().items()}

    def unhealthy() -> list[str]:
        found = prometheus.ask("/rules")["groups"]
        assert {group["name"]: [rule["name"] for rule in group["rules"]] for group in found} == wanted
        rules = [rule for group in found for rule in group["rules"]]
        return [f"{rule['name']}: {rule.get('lastError')}" for rule in rules if rule["health"] != "ok"]

    until(lambda: not unhealthy(), _SCRAPED_S, "every rule judged", pause=0.5)
    settings = yaml.safe_load(prometheus.ask("/status/config")["yaml"])
    assert settings["global"]["external_labels"] == {"runbooks": RUNBOOKS}


def test_no_alert_about_the_stack_as_it_is_wakes_anybody(prometheus: Prometheus) -> None:
    firing = [alert for alert in prometheus.ask("/alerts")["alerts"] if alert["state"] == "firing"]
    assert firing == []


def test_all_that_is_asked_is_told_and_has_an_answer(prometheus: Prometheus) -> None:
    everything = asked.everything()
    assert len(everything) > 100
    mistakes = {text: prometheus.mistake(text) for text in everything}
    assert {asker: mistakes[text] for text, asker in everything.items() if mistakes[text]} == {}
    names = {name for text in everything for name in re.findall(r"\binnkeeper_\w+", text)}
    assert prometheus.untold(names) == set()
    # Of what nothing has happened to yet, only the source knows the labels.
    told = {**series(), **prometheus.told()}
    assert {asker: wrong for text, asker in everything.items() if (wrong := unknown(text, told))} == {}
    assert prometheus.untold({"innkeeper_nothing"}) == {"innkeeper_nothing"}
    assert "many" in prometheus.mistake("up * on () up")

# SPDX-License-Identifier: Apache-2.0
"""Every image: nobody's rights, a read-only root, nothing of the build left, and a bill of what is in it; and
`docker compose up`: one vm by HTTP, a worker that drains, a broker that is started again, and a Prometheus that reads
every service, takes every rule, and answers all that alerts, their pages and dashboards ask. At the end the profile
`libvirt`, with a guest that really runs.

One module, so that one worker of pytest starts one dockerd and builds once.
"""

import json
import pwd
import re
import tomllib

import httpx
import pytest
import yaml

from deploy.local.servers.libvirtd import Libvirtd
from tests.house.promql import series, unknown
from tests.support import asked
from tests.support.containers.base import ROOT, TARGETS
from tests.support.containers.dockerd import Dockerd
from tests.support.containers.libvirt_host import LibvirtHost
from tests.support.containers.prometheus import Prometheus
from tests.support.containers.stack import RUNBOOKS, SERVICES, WISH, ComposeStack
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
# Which files of vms the agent may not read, and which masters it takes for nobody's, an hour on.
COLLECT = """
import json, os, pathlib, sys, time
from services.hostagent.artifacts import Artifacts
from services.hostagent.drivers.vm_files import VmFiles
from services.hostagent.masters import Masters
files = VmFiles(pathlib.Path(sys.argv[1]))
closed = [path.name for path in files.vms.rglob("*") if not os.access(path, os.R_OK)]
print(json.dumps([closed, Masters(files, Artifacts(files), 1800).collect(time.time() + 3600)]))
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


def test_the_agent_of_this_machine_s_libvirt_is_root_without_any_capability(
    libvirt_host: LibvirtHost, images: dict[str, str], dockerd: Dockerd
) -> None:
    seen = dockerd.inspect(libvirt_host.container)
    host = seen["HostConfig"]
    assert (seen["Config"]["Image"], seen["Config"]["User"]) == (images["hostagent-libvirt"], "0:0")
    assert (host["Privileged"], host["ReadonlyRootfs"], host["CapDrop"]) == (False, True, ["ALL"])
    lines = dockerd.docker("exec", libvirt_host.container, "cat", "/proc/1/status").splitlines()
    status = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    assert [int(status[f"Cap{which}"][0], 16) for which in ("Inh", "Prm", "Eff", "Bnd", "Amb")] == [0] * 5
    assert (status["Uid"][0], status["NoNewPrivs"], status["Seccomp"]) == ("0", ["1"], ["2"])


def test_a_vm_on_libvirt_outlives_its_agent_and_libvirtd_and_leaves_nothing(
    stack: ComposeStack, libvirt_host: LibvirtHost, libvirtd: Libvirtd, dockerd: Dockerd
) -> None:
    job = stack.finish(stack.create("real", hypervisor="libvirt")["id"])
    assert job["state"] == "succeeded", (job, stack.logs("hostagent-libvirt"))
    path = f"/v1/vms/{job['vm']}"
    vm = stack.vm(job["vm"])
    assert (vm["state"], vm["drift"]) == ("ready", None)
    assert any(a.startswith("10.77.0.") for i in vm["observed"]["interfaces"] for a in i["addresses"])
    guests, agent = libvirt_host.guests(), dockerd.inspect(libvirt_host.container)["State"]["Pid"]
    assert list(guests.values()) == [pwd.getpwnam("libvirt-qemu").pw_uid]

    libvirtd.stop()
    libvirtd.start()
    assert libvirt_host.guests() == guests
    for verb, state in (("stop", "stopped"), ("start", "ready")):
        stack.done("POST", f"{path}/{verb}")
        assert stack.vm(job["vm"])["state"] == state
    assert dockerd.inspect(libvirt_host.container)["State"]["Pid"] == agent, "it found libvirtd without a restart"

    guests, heard = libvirt_host.guests(), stack.vm(job["vm"])["observed"]
    dockerd.docker("restart", libvirt_host.container)
    until(lambda: stack.vm(job["vm"])["observed"]["at"] > heard["at"], 20, "the guest asked again", pause=0.2)
    assert stack.vm(job["vm"])["observed"]["boot_id"] == heard["boot_id"] != vm["observed"]["boot_id"]
    assert libvirt_host.guests() == guests
    stack.done("DELETE", path)
    assert left(stack, libvirt_host, libvirtd) == []


def test_without_capabilities_the_agent_still_reads_the_disks_that_libvirt_gave_to_qemu(
    stack: ComposeStack, libvirt_host: LibvirtHost, libvirtd: Libvirtd, dockerd: Dockerd, prometheus: Prometheus
) -> None:
    source = stack.done("POST", "/v1/vms", **WISH, name="source", hypervisor="libvirt")["vm"]
    stack.done("POST", f"/v1/vms/{source}/stop")
    first = stack.done("POST", f"/v1/vms/{source}/clone", name="first-clone", linked=True)["vm"]
    stack.done("POST", f"/v1/vms/{first}/start")
    disk = libvirt_host.files.vm(source) / "root-0.qcow2"
    assert disk.stat().st_uid == pwd.getpwnam("libvirt-qemu").pw_uid, "who reads it has made it QEMU's"
    second = stack.done("POST", f"/v1/vms/{source}/clone", name="second-clone", linked=True)["vm"]
    nobody_s = libvirt_host.files.masters / ("ab" * 32)
    nobody_s.write_bytes(b"x")
    python = ("exec", libvirt_host.container, "python", "-c", COLLECT, str(libvirt_host.files.root))
    assert json.loads(dockerd.docker(*python)) == [[], [nobody_s.name]]
    told = 'innkeeper_agent_commands_total{instance="hostagent-libvirt:9090",service="hostagent",outcome="done"}'
    until(lambda: prometheus.value(f"sum({told})"), _SCRAPED_S, told, pause=0.5)
    assert dockerd.inspect(libvirt_host.container)["State"]["Health"]["Status"] == "healthy"
    for vm in (first, second, source):
        stack.done("DELETE", f"/v1/vms/{vm}")
    assert left(stack, libvirt_host, libvirtd) == []


def left(stack: ComposeStack, host: LibvirtHost, libvirtd: Libvirtd) -> list[object]:
    """What of deleted vms is still there, by libvirt, by the host's files and by the audit."""
    audit = stack.http.get("/v1/audit/orphans").raise_for_status().json()
    assert audit["complete"], audit
    domains = libvirtd.virsh("list", "--all", "--name").stdout.split()
    return [*domains, *host.files.vms.iterdir(), *host.files.ports.iterdir(), *audit["orphans"]]

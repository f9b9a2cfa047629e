# SPDX-License-Identifier: Apache-2.0
"""deploy/Dockerfile and deploy/compose.yaml agree with each other and with the code; hadolint has no complaint."""

import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.compose import make_env
from deploy.grafana.boards import BOARDS
from tests.support.containers.base import DOCKERFILE, ROOT, TARGETS
from tests.support.missing import missing

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if str(service["image"]).startswith("innkeeper-")}


@pytest.mark.parametrize("file", [DOCKERFILE, ROOT / "tests" / "containers" / "standins" / "Dockerfile"])
def test_hadolint_has_no_complaint(file: Path) -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    if not hadolint.exists():
        missing("hadolint: make bootstrap-test")
    done = subprocess.run([str(hadolint), "--no-color", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_is_a_target_for_each_image_that_compose_builds() -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE.read_text(), re.MULTILINE))
    built = {service["build"]["target"] for service in OURS.values()}
    assert built == set(TARGETS)
    assert built <= stages
    for name, service in OURS.items():
        assert service["image"].split(":")[0] == f"innkeeper-{service['build']['target']}", name


def test_what_ends_on_sigterm_is_no_shell() -> None:
    commands = re.findall(r"^CMD (.+)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert len(commands) == len(TARGETS)
    assert all(command.startswith('["python3", ') for command in commands)


def test_images_of_others_are_pinned_by_version() -> None:
    others = [str(service["image"]) for name, service in SERVICES.items() if name not in OURS]
    assert others
    assert all(re.fullmatch(r"\S+:v?\d+\.\d+(\.\d+)?(-[a-z]+)?", image) for image in others), others
    assert re.search(r"^ARG PYTHON_IMAGE=python:\d+\.\d+\.\d+-slim-\w+$", DOCKERFILE.read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_services_have_no_rights_they_do_not_need(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    # libvirt's socket belongs to the host's root.
    assert service["user"] == ("0:0" if name == "hostagent-libvirt" else "10001:10001")


def test_no_password_stands_in_the_file_and_each_is_made_by_the_set_up() -> None:
    text = (ROOT / "deploy" / "compose.yaml").read_text()
    asked = set(re.findall(r"\$\{(\w+_PASSWORD)\b", text))
    assert asked == set(make_env.NAMES)
    assert not re.search(r"PASSWORD:-", text)
    for name in asked:
        assert f"${{{name}:?run python3 deploy/compose/make_env.py}}" in text, name


def test_what_is_published_is_published_on_loopback_unless_told() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == 5
    assert all(re.match(r"\$\{\w+:-127\.0\.0\.1:\d+\}:\d+$", port) for port in ports)


def test_what_is_mounted_from_the_checkout_is_there() -> None:
    mounts = [m.split(":")[0] for service in SERVICES.values() for m in service.get("volumes", []) if m[0] == "."]
    assert mounts
    assert [mount for mount in mounts if not (ROOT / "deploy" / mount).exists()] == []


def test_prometheus_asks_every_service_that_counts() -> None:
    settings = yaml.safe_load((ROOT / "deploy" / "compose" / "prometheus.yaml").read_text())
    asked = {t.split(":")[0] for job in settings["scrape_configs"] for g in job["static_configs"] for t in g["targets"]}
    assert asked == {"api", "conductor", "scheduler", "worker", "imagebuilder", "hostagent"}
    assert asked <= set(SERVICES)


def test_prometheus_is_told_where_the_alerts_pages_are() -> None:
    settings = yaml.safe_load((ROOT / "deploy" / "compose" / "prometheus.yaml").read_text())
    (named,) = re.findall(r"\$\{(\w+)\}", settings["global"]["external_labels"]["runbooks"])
    assert (ROOT / SERVICES["prometheus"]["environment"][named].partition(":-")[2].rstrip("}")).is_dir()
    mounted = [str(mount).split(":")[1] for mount in SERVICES["prometheus"]["volumes"]]
    assert [str(Path(pattern).parent) in mounted for pattern in settings["rule_files"]] == [True]


def test_grafana_is_given_its_data_source_and_the_dashboards_where_they_are_mounted() -> None:
    # No Grafana runs in the tests; what it reads at its start is at least whole.
    mounts = dict(str(mount).split(":")[1::-1] for mount in SERVICES["grafana"]["volumes"])
    given = ROOT / "deploy" / mounts["/etc/grafana/provisioning"]
    (source,) = yaml.safe_load((given / "datasources" / "prometheus.yaml").read_text())["datasources"]
    (_, _, published) = SERVICES["prometheus"]["ports"][0].rpartition(":")
    assert source["url"] == f"http://prometheus:{published}"
    assert (source["type"], source["isDefault"]) == ("prometheus", True)  # what dashboards ask for, and get unasked
    (provider,) = yaml.safe_load((given / "dashboards" / "innkeeper.yaml").read_text())["providers"]
    boards = ROOT / "deploy" / mounts[provider["options"]["path"]]
    assert len(list(boards.glob("*.json"))) == len(BOARDS)
    assert {provider["type"], *(path.name for path in given.iterdir())} == {"file", "dashboards", "datasources"}


def test_passwords_are_made_once_readable_by_their_owner_and_kept(tmp_path: Path) -> None:
    env, password = make_env.make(tmp_path)
    first = env.read_text(), password.read_text()
    lines = dict(line.split("=", 1) for line in first[0].splitlines())
    assert set(lines) == set(make_env.NAMES)
    assert len(set(lines.values())) == len(lines)
    assert all(len(value) >= 32 for value in lines.values())
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    assert stat.S_IMODE(password.parent.stat().st_mode) == 0o700
    env.write_text(first[0].replace("GRAFANA_PASSWORD", "#GRAFANA") + "INNKEEPER_TAG=9")
    make_env.make(tmp_path)
    kept = env.read_text()
    assert f"POSTGRES_PASSWORD={lines['POSTGRES_PASSWORD']}\n" in kept
    assert "INNKEEPER_TAG=9\nGRAFANA_PASSWORD=" in kept
    assert password.read_text() == first[1]

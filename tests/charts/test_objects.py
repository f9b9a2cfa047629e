# SPDX-License-Identifier: Apache-2.0
"""What the chart's objects promise: every name leads somewhere, every right is the least, every pod may go any time."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.k8s import secrets
from deploy.k8s.rendering import helm_template, key
from deploy.local.setup.cluster_tools import HELM_4
from services.common.runtime.keys import Keys
from services.common.runtime.settings import Settings
from tests.support.cluster import (
    CHART,
    CI,
    ROOT,
    SERVICES,
    WORKLOADS,
    containers,
    had,
    labels,
    made,
    named,
    of_kind,
    pod,
    references,
    selected,
    settings,
)

EVERY = pytest.mark.parametrize("values", CI)
SETTINGS_PAGE = (ROOT / "docs" / "operations" / "settings.md").read_text()
# Secrets of users' own, which nothing here can make.
USERS = {"collector", "controllers", "innkeeper-vsphere-cellar", "innkeeper-hosts", "innkeeper-tls"}


def workloads(values: str) -> list[Any]:
    return of_kind(values, *WORKLOADS)


@EVERY
def test_every_secret_and_settings_key_that_a_pod_names_is_there(values: str) -> None:
    there = {("Secret", name): set(data) for name, data in secrets.fresh(demo=True).items()}
    # A database, a broker and a Redis that are there already are named like the demo's.
    for one in of_kind(values, "Secret", "ConfigMap"):
        there[one["kind"], one["metadata"]["name"]] = set(one.get("data") or one["stringData"])
    for workload in workloads(values):
        for kind, name, entry in references(pod(workload)):
            if name not in USERS:
                assert (kind, name) in there, (workload["metadata"]["name"], name)
                assert not entry or entry in there[kind, name], (name, entry)


@EVERY
def test_every_selector_finds_pods_and_every_port_is_one_of_theirs(values: str) -> None:
    for kind in ("Deployment", "StatefulSet", "DaemonSet"):
        for one in of_kind(values, kind):
            assert selected(one["spec"]["selector"], labels(one)), one["metadata"]["name"]
    for service in of_kind(values, "Service"):
        selector = {"matchLabels": service["spec"]["selector"]}
        (found,) = (one for one in workloads(values) if selected(selector, labels(one)))
        ports = [port for inside in containers(found) for port in inside.get("ports", [])]
        for port in service["spec"].get("ports", []):
            assert port["targetPort"] in {p["name"] for p in ports} | {p["containerPort"] for p in ports}, service
    for one in of_kind(values, "PodDisruptionBudget"):
        assert any(selected(one["spec"]["selector"], labels(pods)) for pods in workloads(values))
    for one in of_kind(values, "HorizontalPodAutoscaler", "ScaledObject"):
        assert any(
            one["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
            for deployment in of_kind(values, "Deployment")
        )


@EVERY
def test_the_peers_of_network_policies_exist_and_every_pod_has_a_policy(values: str) -> None:
    policies = of_kind(values, "NetworkPolicy")
    pods = workloads(values)
    for policy in policies:
        assert any(selected(policy["spec"]["podSelector"], labels(one)) for one in pods), policy["metadata"]["name"]
        rules = [*policy["spec"].get("ingress", []), *policy["spec"].get("egress", [])]
        for peer in (peer for rule in rules for peer in [*rule.get("from", []), *rule.get("to", [])]):
            if "podSelector" in peer and "namespaceSelector" not in peer:
                assert any(selected(peer["podSelector"], labels(one)) for one in pods), policy["metadata"]["name"]
        names = {port["name"] for one in pods for inside in containers(one) for port in inside.get("ports", [])}
        for port in (port for rule in rules for port in rule.get("ports", [])):
            assert isinstance(port["port"], int) or port["port"] in names
    for one in pods:
        found = [p for p in policies if selected(p["spec"]["podSelector"], labels(one))]
        assert found or one["kind"] == "Pod", one["metadata"]["name"]
        assert all(p["metadata"]["namespace"] == one["metadata"]["namespace"] for p in found)


@EVERY
def test_pods_have_no_right_that_they_don_t_need(values: str) -> None:
    for workload in workloads(values):
        spec, name = pod(workload), workload["metadata"]["name"]
        agent = workload["kind"] == "DaemonSet"
        assert spec["automountServiceAccountToken"] is False, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["securityContext"].get("runAsNonRoot", False) is not agent
        assert spec["securityContext"]["runAsUser"] in ((0,) if agent else (10001, 999))
        for inside in containers(workload):
            rights = {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert inside["securityContext"] == rights, name
            assert {"name": "tmp", "mountPath": "/tmp"} in inside["volumeMounts"], name
            assert inside["resources"]["requests"]["memory"], name
            assert inside["resources"]["limits"]["memory"], name
        if not agent:
            assert not any("hostPath" in volume for volume in spec["volumes"]), name


def test_the_agent_lives_apart_and_mounts_the_directory_of_sockets_that_are_made_anew() -> None:
    agent = named("everything", "DaemonSet", "-hostagent")
    namespace = agent["metadata"]["namespace"]
    assert {namespace} == {one["metadata"]["name"] for one in of_kind("everything", "Namespace")}
    (its,) = of_kind("everything", "Namespace")
    assert its["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"
    assert all(one["metadata"]["namespace"] != namespace for one in workloads("everything") if one is not agent)
    paths = {volume["hostPath"]["path"] for volume in pod(agent)["volumes"] if "hostPath" in volume}
    assert paths == {"/run/libvirt", "/var/lib/innkeeper", "/srv/vms"}
    mounts = {mount["name"]: mount for mount in containers(agent)[0]["volumeMounts"]}
    assert mounts["directory"]["mountPath"] == "/var/lib/innkeeper"  # QEMU opens files by the same path
    assert mounts["config"]["subPathExpr"] == "$(NODE_NAME).yaml"  # its own password only
    assert not of_kind("everything", "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")


@EVERY
def test_every_image_has_a_version(values: str) -> None:
    for workload in workloads(values):
        for inside in containers(workload):
            tag = inside["image"].split("@")[0].rpartition("/")[2].partition(":")[2]
            assert re.match(r"\d+\.\d+", tag), inside["image"]
    if values == "everything":
        assert containers(named(values, "Deployment", "-api"))[-1]["image"].endswith("@sha256:" + "0" * 64)


@EVERY
def test_budgets_are_for_those_with_more_than_one_pod_and_only_one_thing_scales(values: str) -> None:
    scaled = of_kind(values, "HorizontalPodAutoscaler", "ScaledObject")
    targets = [one["spec"]["scaleTargetRef"]["name"] for one in scaled]
    assert len(targets) == len(set(targets))
    budgets = {one["metadata"]["name"] for one in of_kind(values, "PodDisruptionBudget")}
    for one in of_kind(values, "Deployment"):
        name = one["metadata"]["name"]
        assert ("replicas" in one["spec"]) is (name not in targets)
        fewest = one["spec"].get("replicas") or next(
            scaler["spec"].get("minReplicas", scaler["spec"].get("minReplicaCount"))
            for scaler in scaled
            if scaler["spec"]["scaleTargetRef"]["name"] == name
        )
        assert (name in budgets) is (fewest > 1), name


def test_keda_counts_what_is_queued_and_what_runs() -> None:
    for one in of_kind("everything", "ScaledObject"):
        (trigger,) = one["spec"]["triggers"]
        told = trigger["metadata"]
        assert (trigger["type"], told["protocol"], told["excludeUnacknowledged"]) == ("rabbitmq", "http", "false")
        assert one["metadata"]["name"].endswith(f"-{told['queueName']}")
        named("everything", "TriggerAuthentication", trigger["authenticationRef"]["name"])


@EVERY
def test_a_service_is_told_every_setting_and_starts_with_it(values: str) -> None:
    described = set(re.findall(r"^\| `(INNKEEPER_[A-Z_]+)`", SETTINGS_PAGE.split("## The embedded stack")[0], re.M))
    told: set[str] = set()
    for component in SERVICES:
        one = named(values, "Deployment", f"-{component}")
        given = settings(values, one)
        Settings.from_env(given)  # raises what is missing or wrong
        paths = [mount["mountPath"] for mount in pod(one)["containers"][0]["volumeMounts"]]
        assert given["INNKEEPER_KEYS_DIR"] in paths
        for path in (given.get("INNKEEPER_POLICY_FILE"), given.get("INNKEEPER_CONTROLLERS_FILE")):
            assert path is None or str(Path(path).parent) in paths
        told |= given.keys()
    ours = {name for name in told if name.startswith("INNKEEPER_")}
    assert ours <= described
    if values == "everything":
        agent = {given["name"] for given in containers(named(values, "DaemonSet", "-hostagent"))[0]["env"]}
        assert described == ours | agent & described
    assert settings(values, named(values, "Deployment", "-imagebuilder"))["INNKEEPER_STATE_DIR"] == "/var/lib/innkeeper"


@EVERY
def test_pods_may_be_killed_and_replaced_at_any_time(values: str) -> None:
    for component in SERVICES:
        one = named(values, "Deployment", f"-{component}")
        (own,) = pod(one)["containers"]
        given = settings(values, one)
        ends = float(given["INNKEEPER_GRACE_S"]) + float(given.get("INNKEEPER_API_DRAIN_S", "5"))
        assert 45 <= ends < pod(one)["terminationGracePeriodSeconds"]
        assert re.fullmatch("[0-9a-f]{64}", one["spec"]["template"]["metadata"]["annotations"]["checksum/config"])
        (waits,) = pod(one)["initContainers"]
        assert waits["command"][-2:] == ["services.common.store.migrate", "wait"]
        spread = pod(one)["topologySpreadConstraints"]
        assert all(selected(rule["labelSelector"], labels(one)) for rule in spread)
        if component == "api":
            assert own["livenessProbe"]["httpGet"]["path"] == "/healthz"  # never /readyz, which asks the broker
            assert own["readinessProbe"]["httpGet"]["path"] == "/readyz"
        else:
            assert given["INNKEEPER_HEARTBEAT_FILE"] in own["livenessProbe"]["exec"]["command"][-1]


def test_the_probe_of_a_heartbeat_fails_when_the_file_is_old_or_missing(tmp_path: Path) -> None:
    (own,) = pod(named("default", "Deployment", "-worker"))["containers"]
    alive = tmp_path / "alive"
    command = [word.replace("/tmp/alive", str(alive)) for word in own["livenessProbe"]["exec"]["command"]]

    def judged() -> int:
        return subprocess.run(command, capture_output=True, check=False).returncode

    assert judged() != 0
    alive.touch()
    assert judged() == 0
    os.utime(alive, (1, 1))
    assert judged() != 0


@EVERY
def test_the_schema_is_made_by_a_job_whose_name_says_what_it_runs(values: str) -> None:
    jobs = [one for one in of_kind(values, "Job") if "-migrate-" in one["metadata"]["name"]]
    (job,) = jobs
    assert (
        "annotations" not in job["metadata"]
    )  # no hook: with --wait or a database of the release it would wait for ever
    assert re.search(r"-migrate-0-1-0-[0-9a-f]{8}$", job["metadata"]["name"])


def test_the_demos_data_goes_with_the_secrets_that_are_made_for_it() -> None:
    for one in of_kind("demo", "StatefulSet"):
        claims = one["spec"].get("volumeClaimTemplates")
        kept = one["spec"].get("persistentVolumeClaimRetentionPolicy")
        assert kept == ({"whenDeleted": "Delete"} if claims else None), one["metadata"]["name"]
    agent = named("everything", "StatefulSet", "-vsphere-cellar")
    assert "persistentVolumeClaimRetentionPolicy" not in agent["spec"]


def test_a_new_version_is_no_reason_to_replace_the_demos_servers(tmp_path: Path) -> None:
    chart = tmp_path / "innkeeper"
    shutil.copytree(CHART, chart)
    told = (chart / "Chart.yaml").read_text()
    (chart / "Chart.yaml").write_text(told.replace("0.1.0", "0.2.0"))
    words = ["--set", "demo.enabled=true,commonLabels.team=platform"]
    old, new = ({key(one): one for one in helm_template(had(HELM_4), path, words=words)} for path in (CHART, chart))
    servers = [f"innkeeper-{name}" for name in ("postgres", "rabbitmq", "redis")]
    for name in servers:
        of = ("StatefulSet", "innkeeper", name)
        assert old[of]["metadata"]["labels"] != new[of]["metadata"]["labels"]
        assert old[of]["spec"] == new[of]["spec"]
        assert labels(new[of])["team"] == "platform"


def test_the_demos_rabbitmq_may_write_what_it_won_t_start_without() -> None:
    (own,) = pod(named("demo", "StatefulSet", "-rabbitmq"))["containers"]
    writable = {one["mountPath"] for one in own["volumeMounts"]}
    assert own["securityContext"]["readOnlyRootFilesystem"]
    assert writable == {"/var/lib/rabbitmq", "/var/log/rabbitmq", "/tmp"}  # the log of upgrades is a file in any case


def test_names_that_become_labels_of_pods_are_short_enough_for_them(tmp_path: Path) -> None:
    chart = tmp_path / "innkeeper"
    shutil.copytree(CHART, chart)
    told = (chart / "Chart.yaml").read_text()
    (chart / "Chart.yaml").write_text(told.replace('appVersion: "0.1.0"', 'appVersion: "12.34.56-rc.78"'))
    agents = f"fullnameOverride={'n' * 50},demo.enabled=true,vsphere.agents.xyz=its"
    found = helm_template(had(HELM_4), chart, words=["--set", agents])
    lengths = {(one["kind"], one["metadata"]["name"]): len(one["metadata"]["name"]) for one in found}
    assert 63 in lengths.values()
    for (kind, name), length in lengths.items():
        # The pods of a StatefulSet have its revision in a label: its name, a dash, and up to ten digits.
        assert length <= (52 if kind == "StatefulSet" else 63), (kind, name)


def test_streams_and_uploads_pass_the_ingress_and_the_gateway() -> None:
    (ingress,) = of_kind("everything", "Ingress")
    told = ingress["metadata"]["annotations"]
    assert int(told["nginx.ingress.kubernetes.io/proxy-read-timeout"]) >= 3600
    assert told["nginx.ingress.kubernetes.io/proxy-buffering"] == "off"
    assert told["nginx.ingress.kubernetes.io/proxy-body-size"] == "0"
    (route,) = of_kind("everything", "HTTPRoute")
    (rule,) = route["spec"]["rules"]
    assert rule["timeouts"] == {"request": "0s", "backendRequest": "0s"}


def test_flower_is_off_unless_asked_for_and_then_behind_a_password() -> None:
    assert not [one for one in workloads("default") if one["metadata"]["name"].endswith("-flower")]
    given = settings("everything", named("everything", "Deployment", "-flower"))
    assert given["FLOWER_BASIC_AUTH"].startswith("secret:")
    assert not [one for one in of_kind("everything", "Ingress", "HTTPRoute") if "flower" in str(one["spec"])]


def test_keys_that_the_chart_makes_are_keys(tmp_path: Path) -> None:
    for name, text in named("everything", "Secret", "-keys")["stringData"].items():
        (tmp_path / name).write_text(text)
    keys = Keys.load(tmp_path)
    assert keys.unseal(keys.seal("a secret")) == "a secret"


def test_monitors_rules_and_dashboards_are_those_of_the_deployment() -> None:
    (monitor,) = of_kind("everything", "ServiceMonitor")
    services = [
        one
        for one in of_kind("everything", "Service")
        if selected(monitor["spec"]["selector"], one["metadata"]["labels"])
    ]
    assert len(services) == len(SERVICES)
    ports = {end["port"] for end in monitor["spec"]["endpoints"]}
    assert all(ports & {port["name"] for port in one["spec"]["ports"]} for one in services)
    (agents,) = of_kind("everything", "PodMonitor")
    asked = [one for one in workloads("everything") if selected(agents["spec"]["selector"], labels(one))]
    named_ports = {
        one["metadata"]["name"]: {port["name"] for port in containers(one)[-1].get("ports", [])} for one in asked
    }
    assert sum("agent-metrics" in ports for ports in named_ports.values()) == 3  # libvirt's, vSphere's, the demo's
    assert {one["metadata"]["namespace"] for one in asked} == set(agents["spec"]["namespaceSelector"]["matchNames"])
    jobs = re.findall(r'job=~"([^"]+)"', (ROOT / "deploy/prometheus/rules/processes.yaml").read_text())
    for one in (monitor, agents):
        job = one["metadata"]["labels"][one["spec"]["jobLabel"]]
        assert all(re.fullmatch(pattern, job) for pattern in jobs)
    texts = [path.read_text() for path in sorted((ROOT / "deploy/prometheus/rules").glob("*.yaml"))]
    assert texts
    # As they are they ask Prometheus' external label where the alerts' pages are; the chart can be told.
    assert [one["spec"] for one in of_kind("production", "PrometheusRule")] == [yaml.safe_load(text) for text in texts]
    told = [re.sub(r"'\{\{ with .*\{\{ end }}/", "'https://pages.example.com/alerts/", text) for text in texts]
    assert [one["spec"] for one in of_kind("everything", "PrometheusRule")] == [yaml.safe_load(text) for text in told]
    assert "$externalLabels" not in "".join(told)
    boards = {
        f"innkeeper-{path.name}": path.read_text() for path in (ROOT / "deploy/grafana/dashboards").glob("*.json")
    }
    packed = [
        one["data"] for one in of_kind("everything", "ConfigMap") if "grafana_dashboard" in one["metadata"]["labels"]
    ]
    assert {name: json.loads(text) for one in packed for name, text in one.items()} == {
        name: json.loads(text) for name, text in boards.items()
    }
    assert boards


def test_helm_test_makes_a_vm_by_the_command_line() -> None:
    (found,) = (one for one in made("default") if one["kind"] == "Pod")
    assert found["metadata"]["annotations"]["helm.sh/hook"] == "test"
    script = containers(found)[0]["command"][-1]
    assert script.strip() == (CHART / "files" / "first-vm.sh").read_text().strip()
    assert subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0


@EVERY
def test_no_secret_is_written_into_an_object_but_a_secret(values: str) -> None:
    hidden = [text for one in of_kind(values, "Secret") for text in one["stringData"].values()]
    others = str([one for one in made(values) if one["kind"] != "Secret"])
    assert not [text for text in hidden if text in others]

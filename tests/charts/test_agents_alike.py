# SPDX-License-Identifier: Apache-2.0
"""The agent of a machine's own libvirtd has the same rights and sees the same in a cluster and by compose."""

import re
from typing import Any

import yaml

from tests.support.cluster import CHART, ROOT, containers, named, pod


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
    agent: dict[str, Any] = found["hostagent-libvirt"]
    return agent


def unless_told(text: str) -> str:
    """A text of compose.yaml with its variables' defaults."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def test_the_agents_mount_the_same_at_the_same_places() -> None:
    agent = named("everything", "DaemonSet", "-hostagent")
    places = {mount["name"]: mount["mountPath"] for mount in containers(agent)[0]["volumeMounts"]}
    paths = {volume["name"]: volume["hostPath"]["path"] for volume in pod(agent)["volumes"] if "hostPath" in volume}
    mounts = [f"{paths[name]}:{places[name]}" for name in ("libvirt", "directory")]
    assert mounts == [unless_told(mount) for mount in compose()["volumes"]]


def test_the_agents_are_root_with_the_group_of_qemu_s_files_and_nothing_more() -> None:
    own = yaml.safe_load((CHART / "values.yaml").read_text())["hostagent"]
    agent, ours = named("everything", "DaemonSet", "-hostagent"), compose()
    assert [str(group) for group in own["supplementalGroups"]] == [unless_told(group) for group in ours["group_add"]]
    rights, whole = containers(agent)[0]["securityContext"], pod(agent)
    assert f"{whole['securityContext']['runAsUser']}:{whole['securityContext']['runAsGroup']}" == ours["user"]
    assert (rights["capabilities"], ours["cap_drop"]) == ({"drop": ["ALL"]}, ["ALL"])
    assert rights["readOnlyRootFilesystem"] is ours["read_only"] is True
    assert f"{whole['terminationGracePeriodSeconds']}s" == ours["stop_grace_period"]

# SPDX-License-Identifier: Apache-2.0
"""What pods ask for has room where the page says so: one that has none waits for ever, and the others wait for it."""

from collections.abc import Sequence

from deploy.k8s.rendering import Object, helm_template
from deploy.local.setup.cluster_tools import HELM_4
from tests.support.cluster import CHART, ROOT, containers, files, had, pod

KINDS_OWN = 950  # thousandths of a CPU: what Kubernetes itself asks for on a node of kind
STARTED = ("Deployment", "StatefulSet", "Job")


def thousandths(quantity: str) -> int:
    return int(quantity.removesuffix("m")) if quantity.endswith("m") else int(float(quantity) * 1000)


def asked(one: Object) -> int:
    """By one pod: by all its containers, or by the largest of those that begin it."""
    of_each = [thousandths(each["resources"]["requests"]["cpu"]) for each in containers(one)]
    return max(sum(of_each[-len(pod(one)["containers"]) :]), *of_each)


def at_once(objects: Sequence[Object], *kinds: str) -> int:
    """By all pods of these kinds."""
    return sum(asked(one) * one["spec"].get("replicas", 1) for one in objects if one["kind"] in kinds)


def replacing(objects: Sequence[Object]) -> int:
    """By the pods there are beyond those that stay, while every Deployment is replaced."""
    rolled = [one for one in objects if one["kind"] == "Deployment" and one["spec"]["strategy"]["type"] != "Recreate"]
    return sum(asked(one) for one in rolled)


def test_the_demo_has_room_where_the_page_says_so() -> None:
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    whole = helm_template(had(HELM_4), CHART, words=["--set", "demo.enabled=true"])
    small = helm_template(had(HELM_4), CHART, files("demo"), ["--set", "demo.createSecrets=true"])
    assert f"the pods ask for {at_once(whole, *STARTED) / 1000} CPUs" in page
    assert "-f charts/innkeeper/ci/demo-values.yaml --set demo.createSecrets=true" in page
    assert f"which ask for {at_once(small, *STARTED) / 1000}:" in page
    for objects, cpus in ((whole, 4), (small, 2)):
        stay = at_once(objects, "Deployment", "StatefulSet")
        for more in (at_once(objects, "Job"), replacing(objects), at_once(objects, "Pod")):
            assert stay + more <= cpus * 1000 - KINDS_OWN

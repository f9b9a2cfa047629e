# SPDX-License-Identifier: Apache-2.0
"""Helm's own judgement, and that of three releases of Kubernetes: what isn't known is refused, not passed over."""

import json
import re
import subprocess
from functools import cache
from pathlib import Path

import jsonschema
import pytest
from kubernetes_validate import SchemaNotFoundError, utils, validate

from deploy.k8s.__main__ import KUSTOMIZE
from deploy.k8s.rendering import Object, RefusedError, helm_template, kustomize
from deploy.local.setup.cluster_tools import HELM_3, HELM_4, KUBECTL, Tool
from tests.support.cluster import CHART, CI, files, had, made
from tests.support.npm import installed, refused

HELMS = [HELM_3, HELM_4]
NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?$")  # of a Service: RFC 1035, which is stricter than others'
OTHERS_JUDGE = Path(__file__).parent / "others"
# What Kubernetes itself doesn't know: the API groups of others, whose objects are optional.
OTHERS = {
    ("keda.sh/v1alpha1", "ScaledObject"),
    ("keda.sh/v1alpha1", "TriggerAuthentication"),
    ("monitoring.coreos.com/v1", "PodMonitor"),
    ("monitoring.coreos.com/v1", "ServiceMonitor"),
    ("monitoring.coreos.com/v1", "PrometheusRule"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
}


@pytest.mark.parametrize("helm", HELMS, ids=lambda tool: tool.name)
def test_the_chart_passes_helms_strict_judgement(helm: Tool) -> None:
    for values in CI:
        given = [word for path in files(values) for word in ("-f", str(path))]
        command = [str(had(helm)), "lint", "--strict", str(CHART), *given]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{values}: {done.stdout}{done.stderr}"


@pytest.mark.parametrize("values", [name for name in CI if name != "everything"])
def test_both_versions_of_helm_make_the_same_objects(values: str) -> None:
    assert made(values, HELM_3) == made(values, HELM_4)


@cache
def everything() -> list[Object]:
    """Each object of all files of values and of the base that nobody made before it."""
    objects = [one for values in CI for one in made(values)] + kustomize(had(KUBECTL), KUSTOMIZE / "base")
    return [json.loads(text) for text in {json.dumps(one, sort_keys=True) for one in objects}]


@pytest.mark.parametrize("minor", ["1.31", "1.34", "1.37"])
def test_every_object_is_one_that_kubernetes_knows(minor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(utils, "schema_contents", cache(utils.schema_contents))  # else read anew for each object
    strange = set()
    for one in everything():
        try:
            validate(one, minor, strict=True)
        except SchemaNotFoundError:
            strange.add((one["apiVersion"], one["kind"]))
    assert strange == OTHERS


@pytest.fixture(scope="module")
def judge_of_others() -> Path:
    return installed(OTHERS_JUDGE)


def test_the_objects_of_others_are_what_their_schemas_say(judge_of_others: Path) -> None:
    objects = [one for one in made("everything") if (one["apiVersion"], one["kind"]) in OTHERS]
    assert refused(judge_of_others, objects) == []
    broken = [{**one, "spec": {}} for one in objects if one["kind"] in ("ScaledObject", "ServiceMonitor")]
    assert len(refused(judge_of_others, broken)) == len(broken) > 0


@pytest.mark.parametrize("helm", HELMS, ids=lambda tool: tool.name)
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("api.replica=3", "replica"),
        ("demo.postgres.imge=x", "imge"),
        ("worker.autoscaling.kind=both", "kind"),
        ("image.tag=latest", "latest"),
        ("imagebuilder.replicas=2", "ReadWriteMany"),
        ("hostagent.enabled=true,hostagent.namespace=innkeeper", "a namespace of their own"),
        ("fullnameOverride=Rack_7", "fullnameOverride"),
        ("nameOverride=rack.7", "nameOverride"),
        (f"fullnameOverride={'n' * 40},vsphere.agents.cell=its", "take a shorter name"),
    ],
)
def test_what_can_t_be_right_is_refused_and_named(helm: Tool, words: str, said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        helm_template(had(helm), CHART, words=["--set", words])


def test_names_are_such_as_services_may_have_whatever_the_release_is_called() -> None:
    helm, demo = had(HELM_4), ["--set", "demo.enabled=true"]
    found = helm_template(helm, CHART, words=demo, release="rack.7.innkeeper")
    assert {one["metadata"]["name"] for one in found if one["kind"] == "Service"} >= {"rack-7-innkeeper-api"}
    strange = [one["metadata"]["name"] for one in found if not NAME.match(one["metadata"]["name"])]
    assert not strange
    with pytest.raises(RefusedError, match="7: names of Services begin with a letter; take another"):
        helm_template(helm, CHART, words=demo, release="7")


def levels(schema: dict[str, object], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every place of the values that has names of our own below it."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return []
    return [path, *(place for name, below in properties.items() for place in levels(below, (*path, name)))]


def test_a_typo_is_refused_at_every_level() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    judge = jsonschema.Draft7Validator(schema)
    places = levels(schema)
    assert len(places) > 40
    assert judge.is_valid({"global": {"anything": 1}})
    for place in places:
        typo: dict[str, object] = {"tpyo": 1}
        for name in reversed(place):
            typo = {name: typo}
        assert not judge.is_valid(typo), place

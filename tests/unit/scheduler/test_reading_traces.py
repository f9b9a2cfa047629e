# SPDX-License-Identifier: Apache-2.0
"""Traces are read whole, and what can't be read is refused with its place."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from services.common.contracts.errors import Invalid
from services.scheduler.simulation.openb import read_openb
from services.scheduler.simulation.planetlab import read_planetlab
from services.scheduler.simulation.recorded import read_lines

NODES = "sn,cpu_milli,memory_mib,gpu,model\nn-0,32000,262144,0,\nn-1,96000,393216,8,G2\n"
PODS = (
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time\n"
    "p-1,6000,12288,1,460,,LS,Running,50,90,50\np-0,12000,16384,2,1000,,LS,Running,0,100,0\n"
)
HOST = {"id": "h1", "vcpus": 16, "memory_mib": 65536, "disk_gib": 500, "power_curve": [100, 300]}
REQUEST = {"id": "vm1", "vcpus": 2, "memory_mib": 2048, "disk_gib": 10}


def test_openb_gives_processors_and_gpus_in_thousandths(tmp_path: Path) -> None:
    (tmp_path / "nodes.csv").write_text(NODES)
    (tmp_path / "pods.csv.gz").write_bytes(gzip.compress(PODS.encode()))
    trace = read_openb(tmp_path / "nodes.csv", tmp_path / "pods.csv.gz")
    assert [(h.id, h.vcpus, h.disk_gib, h.traits) for h in trace.hosts] == [
        ("n-0", 32000, 0, ()),
        ("n-1", 96000, 8000, ("gpu-G2",)),
    ]
    assert [(a.at, a.lasts, a.request.id, a.request.disk_gib) for a in trace.arrivals] == [
        (0, 100, "p-0", 2000),
        (50, 40, "p-1", 460),
    ]


@pytest.mark.parametrize("text", ["sn,cpu_milli\nn-0,32000\n", NODES.replace("96000", "many")])
def test_openb_that_is_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "nodes.csv").write_text(text)
    (tmp_path / "pods.csv").write_text(PODS)
    with pytest.raises(Invalid, match=r"nodes\.csv"):
        read_openb(tmp_path / "nodes.csv", tmp_path / "pods.csv")


def test_planetlab_gives_shares(tmp_path: Path) -> None:
    np.savez(tmp_path / "day.npz", util=np.array([[0, 50, 100]], np.uint8))
    assert read_planetlab(tmp_path / "day.npz").tolist() == [[0.0, 0.5, 1.0]]


@pytest.mark.parametrize("arrays", [{"other": [[1]]}, {"util": [1, 2]}, {"util": [[101]]}, {"util": [[-1]]}])
def test_planetlab_that_is_something_else_is_refused(tmp_path: Path, arrays: dict[str, list[int]]) -> None:
    np.savez(tmp_path / "day.npz", **{key: np.array(value) for key, value in arrays.items()})
    with pytest.raises(Invalid, match=r"day\.npz"):
        read_planetlab(tmp_path / "day.npz")


def test_lines_give_hosts_and_arrivals_in_their_order() -> None:
    second = {**REQUEST, "id": "vm2", "traits": ["ssd"], "datastores": [["fast", 5]]}
    told = [
        {"host": {**HOST, "datastores": {"fast": 50}}},
        {"at": 60, "request": second, "lasts": 30, "placed": "h1"},
        {"at": 0, "request": REQUEST, "lasts": 10},
    ]
    trace = read_lines("x", [*map(json.dumps, told), ""])
    assert [a.request.id for a in trace.arrivals] == ["vm1", "vm2"]
    assert (trace.hosts[0].datastores, trace.arrivals[1].request.datastores) == ({"fast": 50}, (("fast", 5),))
    assert (trace.arrivals[1].host, trace.arrivals[1].request.traits, trace.until) == ("h1", ("ssd",), 90.0)
    assert (trace.hosts[0].name, trace.hosts[0].state, len(trace.hosts[0].power_curve)) == ("h1", "up", 11)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "line 2: no JSON"),
        ("[" * 100_000, "line 2: no JSON"),
        ("[]", "line 2: neither a host nor a request"),
        (json.dumps({"request": {**REQUEST, "vcpus": -1}}), "request/vcpus is -1"),
        (json.dumps({"request": {**REQUEST, "vcpus": True}}), "request/vcpus is True"),
        (json.dumps({"request": {**REQUEST, "cpus": 1}}), "request/cpus isn't known"),
        (json.dumps({"request": {**REQUEST, "datastores": {"fast": 1}}}), "request/datastores"),
        (json.dumps({"request": {**REQUEST, "datastores": [["fast", "1"]]}}), "request/datastores"),
        (json.dumps({"host": {**HOST, "datastores": [["fast", 1]]}}), "host/datastores"),
        (json.dumps({"request": REQUEST, "at": -1}), "at is -1"),
        ('{"request": ' + json.dumps(REQUEST) + ', "at": NaN}', "at is nan"),
        ('{"request": ' + json.dumps(REQUEST) + ', "at": Infinity}', "at is inf"),
        (json.dumps({"host": {"vcpus": 1}}), "host has no id"),
        (json.dumps({"host": {**HOST, "failed": [1.0, 2.0]}}), "host/failed"),
        (json.dumps({"host": {**HOST, "power_curve": ["a", "b"]}}), "power_curve"),
        (json.dumps({"host": {**HOST, "vms": "2"}}), "host/vms"),
        (json.dumps({"host": {**HOST, "state": 5}}), "host/state"),
        (json.dumps({"host": {**HOST, "traits": "ssd"}}), "host/traits"),
        (json.dumps({"host": {**HOST, "watts": "many"}}), "host/watts"),
        (json.dumps({"request": {**REQUEST, "labels": {"a": 1}}}), "request/labels"),
        (json.dumps({"host": {**HOST, "members": {"a=b": 0.5}}}), "host/members"),
    ],
)
def test_a_line_that_is_wrong_is_refused_with_its_number(line: str, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        read_lines("x", [json.dumps({"host": HOST}), line])

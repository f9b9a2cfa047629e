# SPDX-License-Identifier: Apache-2.0
"""`inn policy simulate` and `inn what-fits`: what is sent, what is printed, and the picture."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.canned_api import CannedApi, Reply, problem
from tests.unit.client.conftest import Inn

pytestmark = pytest.mark.usefixtures("signed_in")
SIMULATE, WHAT_FITS = "POST /v1/policies:simulate", "POST /v1/policies:what-fits"


def outcome(policy: str, **more: Any) -> dict[str, Any]:
    size = {"flavor": "small", "vcpus": 2, "memory_mib": 2048, "disk_gib": 10, "asked": 4, "refused": 0, "moved": 2}
    return {"policy": policy, "placed": 4, "hosts_used": 2, "kwh": 1.25, "sizes": [size]} | more


FOUND = {
    "trace": "recorded",
    "hosts": 2,
    "vms": 4,
    "compared_with": "recorded",
    "outcomes": [outcome("balanced@1"), outcome("mine@2", placed=3, refused=1, moved=2)],
    "moves": [{"vm": "vm1", "before": "h1", "after": "h2"}, {"vm": "vm3", "before": "h1", "after": ""}],
    "picture": "<svg/>",
    "took_s": 0.4,
    "limit_s": 50.0,
}


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    file = tmp_path / "mine.yaml"
    file.write_bytes(b"kind: PlacementPolicy\r\n")
    return file


def test_a_file_is_tried_on_what_is_recorded(api: CannedApi, command: Inn, mine: Path) -> None:
    api.on(SIMULATE, Reply(200, FOUND))
    lines = command("policy", "simulate", str(mine), "--days", "7").stdout.splitlines()
    assert api.asked[0].body == {"text": "kind: PlacementPolicy\r\n", "days": 7.0, "picture": False}
    assert lines[0] == "4 vms of what is recorded on 2 hosts; moved is who is not where they were placed then"
    assert [line.split()[:4] for line in lines[2:5]] == [
        ["POLICY", "PLACED", "REFUSED", "MOVED"],
        ["balanced@1", "4", "0", "0"],
        ["mine@2", "3", "1", "2"],
    ]
    assert lines[-2].split() == ["vm1", "h1", "h2"]
    assert lines[-1].split() == ["vm3", "h1", "refused"]


def test_a_stored_version_is_tried_on_a_trace_and_drawn(api: CannedApi, command: Inn, tmp_path: Path) -> None:
    trace, svg = tmp_path / "t.jsonl", tmp_path / "out.svg"
    trace.write_text('{"request": {}}\n')
    api.on(SIMULATE, Reply(200, FOUND))
    assert command("policy", "simulate", "--policy", "mine@2", "--trace", str(trace), "--svg", str(svg)).exit_code == 0
    assert api.asked[0].body == {"policy": "mine@2", "trace": '{"request": {}}\n', "picture": True}
    assert svg.read_text() == "<svg/>"


def test_neither_or_both_is_a_wrong_use(command: Inn, mine: Path) -> None:
    assert command("policy", "simulate").exit_code == 2
    assert command("policy", "simulate", str(mine), "--policy", "x").exit_code == 2


def test_a_refused_policy_draws_nothing(api: CannedApi, command: Inn, mine: Path, tmp_path: Path) -> None:
    api.on(SIMULATE, problem(422, "invalid", "policy text has 1 problem(s)"))
    outcome = command("policy", "simulate", str(mine), "--svg", str(tmp_path / "out.svg"))
    assert outcome.exit_code == 5
    assert not (tmp_path / "out.svg").exists()


def test_what_fits_is_a_line_a_flavor(api: CannedApi, command: Inn) -> None:
    small = {"flavor": "small", "vcpus": 2, "memory_mib": 2048, "disk_gib": 10, "count": 14, "hosts": 2}
    large = {"flavor": "large", "vcpus": 8, "memory_mib": 8192, "disk_gib": 40, "count": 900, "hosts": 2}
    fits = [small | {"stopped_by": ["capacity", "headroom"]}, large | {"at_least": True}]
    api.on(WHAT_FITS, Reply(200, {"policy": "balanced@1", "hosts": 2, "flavors": fits}))
    lines = command("what-fits", "--zone", "a", "--trait", "gpu").stdout.splitlines()
    assert api.asked[0].body == {"zone": "a", "traits": ["gpu"]}
    assert lines[1].split() == ["small", "2", "vcpus,", "2048", "MiB,", "10", "GiB", "14", "2", "capacity,", "headroom"]
    assert "900 or more" in lines[2]
    assert command("what-fits", "-o", "name").stdout == "small\nlarge\n"

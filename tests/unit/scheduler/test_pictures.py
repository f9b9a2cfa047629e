# SPDX-License-Identifier: Apache-2.0
"""The picture in the documents is what the shipped policies do now."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from services.scheduler.simulation.__main__ import main, shipped_picture
from services.scheduler.simulation.outcome import COLUMNS

SHOWN = Path(__file__).parents[3] / "docs" / "pictures" / "what-policies-do.svg"
HOST = {"id": "h<1>", "vcpus": 16, "memory_mib": 65536, "disk_gib": 500}
REQUEST = {"id": "vm1", "vcpus": 2, "memory_mib": 2048, "disk_gib": 10}


def test_the_picture_in_the_documents_is_what_the_policies_do() -> None:
    now = shipped_picture()
    assert SHOWN.read_text() == now, f"python -m services.scheduler.simulation --picture {SHOWN.name} draws it anew"


def test_a_trace_of_ones_own_becomes_a_table_and_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace, drawn = tmp_path / "trace.jsonl", tmp_path / "drawn.svg"
    trace.write_text("\n".join(json.dumps(o) for o in ({"host": HOST}, {"request": REQUEST, "placed": "elsewhere"})))
    assert main(["--trace", str(trace), "--picture", str(drawn)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("  ")[0] == COLUMNS[0]
    balanced = next(line.split() for line in lines if line.startswith("balanced"))
    assert balanced[1:4] == ["1", "0", "1"]  # placed, refused, moved
    ET.fromstring(drawn.read_text())  # well-formed, whatever hosts are called


def test_a_trace_that_is_wrong_is_told_and_nothing_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace, drawn = tmp_path / "trace.jsonl", tmp_path / "drawn.svg"
    trace.write_text("nonsense")
    assert main(["--trace", str(trace), "--picture", str(drawn)]) == 2
    assert "line 1" in capsys.readouterr().err
    assert not drawn.exists()

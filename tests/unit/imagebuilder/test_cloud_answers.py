# SPDX-License-Identifier: Apache-2.0
"""The rows that boot from a disk or a kernel: each against every kind of network, as its golden file says."""

import pytest

from services.common.catalog import systems
from services.common.contracts.errors import Invalid
from services.common.contracts.vm import UserSpec
from tests.support.answers import answer_files, compare_with_golden, rows_of
from tests.support.imaging import COLUMNS

ROWS = [row for family in ("debian", "mini", "ubuntu") for row in rows_of(family)]
CELLS = [*ROWS, *rows_of("alpine"), *rows_of("opensuse-cloud")]

REFUSED = [
    *((row, "layout", "lvm") for row in ROWS),
    ("mini", "mirror", "http://mirror.example.org/debian"),
    ("mini", "proxy", "http://proxy.example.org:3128"),
    ("mini", "ntp", ("ntp.example.org",)),
    ("mini", "packages", ("vim",)),
    ("mini", "users", (UserSpec("ops"),)),
    ("mini", "timezone", "Europe/Berlin"),
]


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("row", CELLS)
def test_each_row_is_written_as_its_golden_file_says(row: str, column: str) -> None:
    compare_with_golden(row, column)


@pytest.mark.parametrize("row, field, value", REFUSED)
def test_what_a_row_has_no_words_for_is_refused_and_not_dropped(row: str, field: str, value: object) -> None:
    with pytest.raises(Invalid) as refused:
        answer_files(row, "N1-one-dhcp", **{field: value})
    assert [problem.pointer for problem in refused.value.problems] == [f"/{field}"]


@pytest.mark.parametrize("row", [row for row in ROWS if "uefi" not in systems()[row].firmware])
def test_a_firmware_a_row_does_not_boot_by_is_refused(row: str) -> None:
    with pytest.raises(Invalid) as refused:
        answer_files(row, "N1-one-dhcp", firmware="uefi")
    assert [problem.pointer for problem in refused.value.problems] == ["/firmware"]

# SPDX-License-Identifier: Apache-2.0
"""The rows that boot from a disk or a kernel of ours: each against every kind of network, as its golden file says."""

import pytest

from tests.support.answers import compare_with_golden, rows_of
from tests.support.imaging import COLUMNS

ROWS = [row for family in ("debian", "mini", "ubuntu") for row in rows_of(family)]


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("row", ROWS)
def test_each_row_is_written_as_its_golden_file_says(row: str, column: str) -> None:
    compare_with_golden(row, column)

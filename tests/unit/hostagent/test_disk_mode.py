# SPDX-License-Identifier: Apache-2.0
"""Who is bound by file modes, by the kernel's own account. What comes of it is seen in tests/containers."""

from pathlib import Path

import pytest

from services.hostagent.drivers.disk_mode import bound, disk_mode


@pytest.mark.parametrize(
    ("effective", "is_bound"),
    [
        ("000001ffffffffff", False),  # root
        ("0000000000000002", False),  # the one capability
        ("0000000000000000", True),  # nobody, or root in a container that was left none
        ("00000000a80425f9", True),  # all that Docker leaves a root, but this one
    ],
)
def test_who_lacks_the_capability_is_bound(effective: str, is_bound: bool) -> None:
    assert bound(f"Name:\tpython\nCapPrm:\t000001ffffffffff\nCapEff:\t{effective}\nCapBnd:\t0\n") is is_bound


def test_a_disk_is_its_owner_s_alone_where_that_suffices(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.touch(0o000)
    closed.chmod(0o000)
    try:
        closed.read_bytes()
    except PermissionError:
        assert bound(Path("/proc/self/status").read_text())
    else:
        assert not bound(Path("/proc/self/status").read_text())
        assert disk_mode() == 0o600

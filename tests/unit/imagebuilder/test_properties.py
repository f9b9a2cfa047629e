# SPDX-License-Identifier: Apache-2.0
"""Twenty thousand wishes, over every row of the catalogue: each is refused by field, or becomes files in which every
value is a value.

A failing wish is named by row and number, and made smaller first; INNKEEPER_TEST_SEED chooses other wishes.
"""

from dataclasses import fields
from functools import partial

import pytest
from yaml import YAMLError

from services.common.catalog import OsEntry, systems
from services.common.contracts.vm import VmSpec
from tests.support.arbitrary import SEED, Wish, a_wish
from tests.support.shrinking import smallest, told
from tests.support.understood import CONFIG_DRIVE, Reader
from tests.support.wish_rules import check

TOTAL = 21_000
EACH = -(-TOTAL // len(systems()))


def breaks(entry: OsEntry, wish: Wish, kind: type[Exception]) -> bool:
    try:
        check(entry, wish)
    except kind:
        return True
    return False


@pytest.mark.parametrize("row", sorted(systems()))
def test_any_wish_is_refused_by_field_or_becomes_files_in_which_values_are_values(row: str) -> None:
    entry, granted, refused = systems()[row], 0, 0
    for number in range(EACH):
        wish = a_wish(entry, number)
        try:
            taken = check(entry, wish)
        except Exception as error:
            least = smallest(wish, partial(breaks, entry, kind=type(error)))
            error.add_note(f"wish {number} of {row}, seed {SEED}, made smaller: {told(least)}")
            raise
        granted += taken
        refused += not taken and wish.hostile is not None
    assert granted > EACH // 10, "the wishes are too wild to show anything"
    assert refused > EACH // 10, "the wishes are too tame to show anything"


# What no guest is told.
OF_THE_PLATFORM = {"name", "os", "vcpus", "memory_mib", "disk_gib", "flavor", "labels"}
OF_THE_PLATFORM |= {"hypervisor", "host", "zone", "traits", "policy", "needs"}


def test_every_field_of_a_spec_is_wished_for() -> None:
    usual = VmSpec("web-1", "", "", 1, 512, 8, ())
    told = {f.name for f in fields(VmSpec)} - OF_THE_PLATFORM
    wished: set[str] = set()
    for row in ("rocky-9", "rocky-9-installer", "debian-12"):
        specs = [a_wish(systems()[row], number).spec for number in range(200)]
        wished |= {name for name in told for spec in specs if getattr(spec, name) != getattr(usual, name)}
    assert wished == told


def test_there_are_twenty_thousand_wishes() -> None:
    assert EACH * len(systems()) >= 20_000


# (file, as it should be, with something injected): the readers the wishes are judged by must see the difference.
INJECTED = [
    ("user-data", "a: x\n", "a: x\nb: y\n"),
    ("user-data", "a: x\n", "a: x\na: y\n"),
    ("user-data", "a: 'x'\n", "a: 1\n"),
    ("user-data", "a: [x]\n", "a: [x, y]\n"),
    (CONFIG_DRIVE, '{"a": "x"}', '{"a": "x", "a": "x"}'),
    ("autoinst.xml", "<a><b>x</b></a>", "<a><b>x</b><b/></a>"),
    ("autoinst.xml", "<a><b>x</b></a>", '<a><b c="y">x</b></a>'),
    ("ks.cfg", 'sshkey --username="a" "k"\n', 'sshkey --username="a" "--username=root"\n'),
    ("ks.cfg", "lang x\n", "lang x\nrootpw x\n"),
    ("ks.cfg", "%post\necho 'x'\n%end\n", "%post\necho 'x'; reboot\n%end\n"),
    ("ks.cfg", "%packages\na\n%end\n", "%packages\na\n%end\n%post\n%end\n"),
    ("setup.sh", "echo 'x'\n", "echo x 'y'\n"),
    ("setup.sh", "echo 'x'\n", "echo 'x'\nreboot\n"),
    ("setup.sh", "cat <<'END'\nx\nEND\n", "cat <<'END'\nx\nEND\nreboot\n"),
    ("preseed.cfg", "d-i a/b string x\n", "d-i a/b string x\nd-i c/d string y\n"),
    ("innkeeper/mini.net", "dns 1.1.1.1\n", "dns 1.1.1.1 x\n"),
]


@pytest.mark.parametrize("path, plain, injected", INJECTED)
def test_what_is_injected_is_another_structure(path: str, plain: str, injected: str) -> None:
    def structure(text: str) -> object:
        return Reader(frozenset()).file(path, text.encode())

    assert structure(plain) == structure(plain)
    assert structure(plain) != structure(injected)


@pytest.mark.parametrize(
    "path, text", [("setup.sh", "echo 'x\n"), ("setup.sh", "cat <<END\nx\n"), ("user-data", "a: [")]
)
def test_a_file_no_reader_can_read_is_a_failure(path: str, text: str) -> None:
    with pytest.raises((ValueError, IndexError, YAMLError)):
        Reader(frozenset()).file(path, text.encode())

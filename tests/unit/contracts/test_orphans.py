# SPDX-License-Identifier: Apache-2.0
"""What nobody owns: hosts' surveys and rows, compared with the vms there are."""

import pytest

from services.common.contracts.orphans import Held, Known, KnownVm, Orphan, in_rows, on_host
from services.common.contracts.survey import MOST, Found, FoundKind, read, told

ASKED = 100.0
VMS = {
    "mine": KnownVm("web", "ready", "h1", busy=False, deleted_at=None),
    "busy": KnownVm("db", "provisioning", "h2", busy=True, deleted_at=None),
    "elsewhere": KnownVm("api", "stopped", "h2", busy=False, deleted_at=None),
    "failed": KnownVm("bad", "failed", "h1", busy=False, deleted_at=None),
    "deleted": KnownVm("old", "deleted", "h1", busy=False, deleted_at=ASKED - 1),
    "just-deleted": KnownVm("new", "deleted", "h1", busy=False, deleted_at=ASKED + 1),
}
KNOWN = Known(VMS, things={FoundKind.NETWORK: frozenset({"n1"}), FoundKind.VOLUME: frozenset({"v1"})})


def reasons(found: Found) -> list[str]:
    return [orphan.reason for orphan in on_host("h1", [found], KNOWN, ASKED)]


@pytest.mark.parametrize("kind", [FoundKind.VM, FoundKind.DIRECTORY])
def test_what_a_vm_of_this_host_has_is_owned_and_what_is_under_way_is_left_alone(kind: str) -> None:
    assert [reasons(Found(kind, "x", vm)) for vm in ("mine", "busy", "just-deleted")] == [[], [], []]
    assert reasons(Found(kind, "x", "elsewhere")) == ["vm api is on another host"]
    assert reasons(Found(kind, "x", "failed")) == ["vm bad could not be made"]
    assert reasons(Found(kind, "x", "deleted")) == ["vm old was deleted"]
    assert reasons(Found(kind, "x", "never")) == ["there is no such vm"]


def test_a_disk_that_no_definition_uses_is_nobody_s_also_in_a_vm_s_own_directory() -> None:
    assert reasons(Found(FoundKind.DISK, "x", "mine")) == ["the definition of vm web doesn't use it"]
    assert reasons(Found(FoundKind.DISK, "x", "busy")) == []
    assert reasons(Found(FoundKind.PORT, "x")) == ["there is no such vm"]


def test_things_with_a_life_of_their_own_are_known_by_their_ids() -> None:
    assert reasons(Found(FoundKind.NETWORK, "x", id="n1")) == []
    assert reasons(Found(FoundKind.VOLUME, "x", "mine", "v1")) == []
    assert reasons(Found(FoundKind.VOLUME, "x", "mine", "v2")) == ["no volume of this platform has this id"]
    assert reasons(Found(FoundKind.VOLUME, "x", "busy", "v2")) == []
    assert reasons(Found(FoundKind.SNAPSHOT, "x", "mine", "s1")) == ["no snapshot of this platform has this id"]


def test_what_a_master_was_made_into_is_told_only_where_the_master_is_gone_so_it_is_nobody_s() -> None:
    assert reasons(Found(FoundKind.MASTER, "x", id="ab" * 32)) == ["its host keeps that master no more"]


def test_rows_that_hold_for_nobody_are_found_without_a_host() -> None:
    held = [Held("claim", "c", vm, "h1") for vm in ("mine", "elsewhere", "deleted")]
    held += [Held("address", "192.0.2.7", vm) for vm in ("mine", "busy", "never")]
    found = list(in_rows(Known(VMS, tuple(held)), ASKED))
    assert found == [
        Orphan("claim", "c", "h1", "elsewhere", "vm api is on another host"),
        Orphan("claim", "c", "h1", "deleted", "vm old was deleted"),
        Orphan("address", "192.0.2.7", "", "never", "there is no such vm"),
    ]


def test_a_survey_is_bounded_and_checked_again() -> None:
    thing = Found(FoundKind.VM, "web", "mine")
    assert read(told([thing])).found == (thing,)
    many = read(told([thing] * (MOST + 1)))
    assert (len(many.found), many.note) == (MOST, f"only {MOST} of {MOST + 1} things are told")
    for bad in ({}, {"found": "x"}, {"found": [{"kind": "vm"}]}, {"found": [], "note": 1}):
        with pytest.raises(ValueError, match="a"):
            read(bad)
    with pytest.raises(ValueError, match="a name that nothing has"):
        read({"found": [{"kind": "vm", "name": "x" * 1000, "vm": "", "id": ""}]})

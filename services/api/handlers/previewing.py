# SPDX-License-Identifier: Apache-2.0
"""What a dry run tells beyond "it is valid": the chosen host and why, the guest's files, the predicted time."""

from collections.abc import Callable, Mapping
from typing import Any

from services.api.asking import said_to
from services.api.call import Answer, Call
from services.api.handlers.answer_files import answer_files
from services.api.views.names import names_for
from services.common.contracts.codec import dump, load
from services.common.contracts.data_disks import NO_DISKS, DataDisks, with_disks
from services.common.contracts.errors import TryAgain
from services.common.contracts.placement import Request, request_of
from services.common.contracts.vm import VmSpec
from services.common.store.models import Vm

JsonDict = dict[str, Any]
TOPIC = "explain"
_NAMING = ("candidates", "misses", "relaxations")  # the lists of a decision whose entries name a host


def asked(call: Call, request: Request, more: Mapping[str, Any]) -> JsonDict:
    """The scheduler's decision; for admins with the names of its hosts, for others masked. Raises TryAgain."""
    payload = {**dump(request), **more, "mask": not call.admin}
    found = said_to(call.parts, TOPIC, payload)
    if not call.admin or "error" in found:
        return found
    ids = {found["host"], *(one["host"] for key in _NAMING for one in found[key])} - {""}
    with call.parts.database.read() as db:
        names = names_for(call, db, ids, set())
    return {**found, "hosts": {host: names.host(host) for host in sorted(ids)}}


def previewed(call: Call, vm: Vm, disks: DataDisks = NO_DISKS) -> Callable[[Answer], Answer]:
    """To run after the dry run's transaction: adds placement, files and expected_s.

    Raises Invalid with the fields that the system can't have.
    """
    spec, first = load(VmSpec, vm.spec), vm.source_id is None  # a clone is set up already
    request = with_disks(request_of(vm.id, vm.project_id, spec, call.parts.systems[spec.os].needs), disks)

    def preview(answer: Answer) -> Answer:
        try:
            placement = asked(call, request, {"policy": spec.policy})
        except TryAgain as error:
            placement = {"error": {"code": error.code, "detail": error.detail}}
        try:
            files = answer_files(call, vm.id, spec) if first else None
        except TryAgain:
            files = None
        expected = (answer.body.get("job") or {}).get("expected_s")
        more = {"placement": placement, "files": files, "expected_s": expected}
        return Answer({**answer.body, **more}, answer.status, answer.headers)

    return preview

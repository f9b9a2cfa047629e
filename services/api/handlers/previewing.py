# SPDX-License-Identifier: Apache-2.0
"""What a dry run tells beyond "it is valid": the host that would be chosen and why, and the predicted time."""

from collections.abc import Callable, Mapping
from typing import Any

from services.api.call import Answer, Call
from services.common.contracts.codec import dump, load
from services.common.contracts.errors import TryAgain
from services.common.contracts.placement import Request
from services.common.contracts.vm import VmSpec
from services.common.runtime.ask import ask
from services.common.store.models import Vm

JsonDict = dict[str, Any]
TOPIC = "explain"


def request_for(vm_id: str, project: str, spec: VmSpec) -> Request:
    """What this vm needs of a host."""
    return Request(
        id=vm_id,
        vcpus=spec.vcpus,
        memory_mib=spec.memory_mib,
        disk_gib=spec.disk_gib,
        hypervisor=spec.hypervisor,
        host=spec.host,
        zone=spec.zone,
        traits=spec.traits,
        os=spec.os,
        project=project,
        labels=dict(spec.labels),
    )


def asked(call: Call, request: Request, more: Mapping[str, Any]) -> JsonDict:
    """The scheduler's decision, host names masked for those who may not see them. Raises TryAgain."""
    payload = {**dump(request), **more, "mask": not call.admin}
    return ask(call.parts.settings.redis_url, TOPIC, payload, 5.0)


def previewed(call: Call, vm: Vm) -> Callable[[Answer], Answer]:
    """To run after the dry run's transaction: adds placement and expected_s."""
    request = request_for(vm.id, vm.project_id, load(VmSpec, vm.spec))

    def preview(answer: Answer) -> Answer:
        try:
            placement = asked(call, request, {})
        except TryAgain as error:
            placement = {"error": {"code": error.code, "detail": error.detail}}
        expected = (answer.body.get("job") or {}).get("expected_s")
        return Answer({**answer.body, "placement": placement, "expected_s": expected}, answer.status, answer.headers)

    return preview

# SPDX-License-Identifier: Apache-2.0
"""What a project may still have: its quotas, less its vms and volumes. Whoever asks holds the project's row."""

from collections.abc import Mapping

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.api.access import Place
from services.common.contracts.errors import Problem, QuotaExceeded
from services.common.contracts.states import VmState
from services.common.store.models import Project, Vm
from services.common.store.volumes import volumes_gib

DISK = "disk_gib"
_SIZES = ("vcpus", "memory_mib", DISK)


def within_quota(db: Session, project: Place, asked: Mapping[str, int], pointer: str = "") -> None:
    """Raise QuotaExceeded where this is too much beside what there is; `pointer` for all but the number of vms.

    Without one, each figure points at the field of its own name.
    """
    quotas = project.quotas
    if not any(key in quotas for key in asked):
        return
    # Two requests at the same moment must not both see the last free place.
    db.execute(select(Project.id).where(Project.id == project.id).with_for_update())
    used = _used(db, project.id)
    problems = [
        Problem(
            "" if key == "vms" else pointer or f"/{key}",
            f"quota {key}: {used[key]} of {quotas[key]} are used, this needs {asked[key]}",
            "delete vms, choose a smaller size, or ask an admin for more",
        )
        for key in asked
        if key in quotas and used[key] + asked[key] > quotas[key]
    ]
    if problems:
        raise QuotaExceeded(problems[0].detail, problems)


def _used(db: Session, project_id: str) -> dict[str, int]:
    sums = [func.coalesce(func.sum(Vm.spec[key].as_integer()), 0) for key in _SIZES]
    query = select(func.count(), *sums).where(
        Vm.project_id == project_id, Vm.deleted_at.is_(None), Vm.state != str(VmState.FAILED)
    )
    used = dict(zip(("vms", *_SIZES), db.execute(query).one(), strict=True))
    return {**used, DISK: used[DISK] + volumes_gib(db, project_id)}

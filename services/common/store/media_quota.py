# SPDX-License-Identifier: Apache-2.0
"""How much of its quota `media_gib` a project's media take, and the refusal of one that is too much."""

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from services.common.contracts.errors import Problem, QuotaExceeded
from services.common.contracts.states import JOB_ACTIVE, MediaState
from services.common.store.catalogue import Media
from services.common.store.jobs import Job
from services.common.store.projects import Project

QUOTA = "media_gib"
_GIB = 1 << 30
_HELD = (str(MediaState.AVAILABLE), str(MediaState.IMPORTING))


def check_media_quota(session: Session, project_id: str, size: int, but: str = "") -> None:
    """Raise QuotaExceeded where `size` bytes more are too many; the medium `but` is left out of the sum.

    Holds the project's row until the transaction ends: two media at the same moment don't both take the last room.
    """
    project = session.scalars(select(Project).where(Project.id == project_id).with_for_update()).first()
    quota = project.quotas.get(QUOTA) if project is not None else None
    if quota is None:
        return
    used = media_bytes(session, project_id, but)
    if used + size > quota * _GIB:
        detail = f"quota {QUOTA}: {_gib(used)} of {quota} GiB are used, this medium needs {_gib(size)}"
        fix = "delete media, or ask an admin for more"
        raise QuotaExceeded(f"{detail}; {fix}", [Problem("/size", detail, fix)])


def media_bytes(session: Session, project_id: str, but: str = "") -> int:
    """Bytes of a project's media that are here or on their way."""
    coming = select(Job.id).where(Job.state.in_([str(s) for s in JOB_ACTIVE]))
    total = select(func.coalesce(func.sum(Media.size), 0)).where(
        Media.project_id == project_id,
        Media.id != but,
        Media.state.in_(_HELD),
        or_(Media.collected_at.is_(None), Media.job_id.in_(coming)),
    )
    return int(session.scalar(total) or 0)


def _gib(size: int) -> str:
    return f"{size / _GIB:.2f}"

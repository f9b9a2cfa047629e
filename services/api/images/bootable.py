# SPDX-License-Identifier: Apache-2.0
"""Whether an image of a system can be built on its own. Pure, but for the question which media a project has."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.common.catalog import OsEntry
from services.common.contracts.errors import Problem
from services.common.contracts.states import MediaState
from services.common.store.models import Media

FROM_MEDIA = "media"


def imported(db: Session, project_id: str) -> frozenset[str]:
    """The systems whose installation medium the project has."""
    here = (Media.project_id == project_id, Media.state == str(MediaState.AVAILABLE), Media.kind == "iso")
    return frozenset(db.scalars(select(Media.os).where(*here)))


def obstacles(entry: OsEntry, media: Collection[str]) -> list[Problem]:
    """What stands in the way: a disc of answers needs nothing, an installation image the vendor's medium."""
    if entry.answers_on_disc:
        return []
    if not entry.installable:
        detail = f"{entry.display_name} has no installation image yet: how its medium starts unattended is not known"
        return [Problem("/os", detail, "choose another os (GET /v1/os)")]
    if entry.source == FROM_MEDIA and entry.name not in media:
        detail = f"{entry.display_name} needs its vendor's medium, which this project has not imported"
        return [Problem("/os", detail, f"{entry.needs_media}, with os {entry.name}")]
    return []


def boots(entry: OsEntry, media: Collection[str]) -> bool:
    """Whether its image boots by itself, and can be built now."""
    return not entry.answers_on_disc and not obstacles(entry, media)

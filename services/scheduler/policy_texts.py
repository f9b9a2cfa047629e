# SPDX-License-Identifier: Apache-2.0
"""The texts of policies: every stored version, and what is shipped."""

from sqlalchemy import select

from services.common.store.database import Database
from services.common.store.policies import StoredPolicy
from services.scheduler.policy_base import Find
from services.scheduler.policy_file import shipped_text


def texts_of(database: Database) -> Find:
    """How to find the text of a name and version; None where nobody stored it."""

    def find(name: str, version: int) -> str | None:
        query = select(StoredPolicy.text).where(StoredPolicy.name == name, StoredPolicy.version == version)
        with database.read() as session:
            found = session.scalars(query).first()
        return shipped_text(name, version) if found is None else found

    return find


def text_of_hash(database: Database, sha256: str) -> str | None:
    """The stored text whose sha256 is this or begins like this; None where there is none, or several."""
    query = select(StoredPolicy.text).where(StoredPolicy.sha256.startswith(sha256, autoescape=True)).limit(2)
    with database.read() as session:
        found = session.scalars(query).all()
    return found[0] if len(found) == 1 else None

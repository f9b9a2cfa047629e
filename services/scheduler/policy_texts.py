# SPDX-License-Identifier: Apache-2.0
"""The texts that a policy may extend: every stored version, and what is shipped."""

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

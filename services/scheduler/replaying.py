# SPDX-License-Identifier: Apache-2.0
"""Answers "would this be decided again?" of a stored decision: {"decision": its id}."""

from typing import Any

from services.common.contracts.codec import dump
from services.common.contracts.errors import NotFound
from services.common.store.database import Database
from services.common.store.hosts import StoredDecision
from services.scheduler.deciding_again import Again, decided_again
from services.scheduler.policy_file import read_policy
from services.scheduler.policy_texts import text_of_hash, texts_of

TOPIC = "replay"
JsonDict = dict[str, Any]


class Replayer:
    """Reads the decision and the policy it names."""

    def __init__(self, database: Database):
        self._database = database
        self._find = texts_of(database)

    def answer(self, payload: JsonDict) -> JsonDict:
        """What came of it as plain values; raises NotFound for a decision nobody kept."""
        with self._database.read() as session:
            row = session.get(StoredDecision, str(payload.get("decision")))
            if row is None:
                raise NotFound(f"there is no decision {payload.get('decision')!r}")
        found = self._again(row)
        return {"policy": row.policy, "policy_sha": row.policy_sha, "host": row.host_id or "", **dump(found)}

    def _again(self, row: StoredDecision) -> Again:
        text = text_of_hash(self._database, row.policy_sha)
        if text is None:
            return Again(None, open=(f"the policy: no text with the sha256 {row.policy_sha} is kept",))
        try:
            return decided_again(row.explanation, row.seen, read_policy(text, find=self._find))
        except (ValueError, KeyError) as error:
            return Again(None, open=(f"what was kept: it can't be read any more ({error})",))

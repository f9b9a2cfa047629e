# SPDX-License-Identifier: Apache-2.0
"""Policies, their activations and the decisions made by them, as they are shown. Pure."""

from collections.abc import Mapping
from typing import Any

from services.api import etags
from services.api.views.moments import moment
from services.api.views.names import Names
from services.common.contracts.masking import masked_decision
from services.common.store.models import Activation, StoredDecision, StoredPolicy

JsonDict = dict[str, Any]
_HOST_LISTS = ("candidates", "misses", "relaxations")


def policy_view(row: StoredPolicy, at: Activation | None, text: bool = False) -> JsonDict:
    """One version, with what the pointer `at` says of it; `text` where the reader may see it."""
    view = {
        "id": row.id,
        "name": row.name,
        "version": row.version,
        "sha256": row.sha256,
        "shipped": row.shipped,
        "matched": row.matched,
        "keep_s": row.keep_s,
        "active": at is not None and row.id in (at.policy_id, *at.beside),
        "canary_percent": at.canary_percent if at is not None and at.canary_id == row.id else 0.0,
        "created_by": row.created_by,
        "created_at": moment(row.created_at),
        "text": row.text if text else None,
    }
    return {**view, "etag": etags.make(view, ())}


def activation_view(row: Activation, policies: Mapping[str, StoredPolicy]) -> JsonDict:
    """One move; `policies` has those it speaks of by id."""
    policy, canary = policies[row.policy_id], policies.get(row.canary_id or "")
    return {
        "id": row.id,
        "seq": row.seq,
        "kind": row.kind,
        "policy": policy.name,
        "version": policy.version,
        "policy_id": policy.id,
        "canary": canary.name if canary else "",
        "canary_version": canary.version if canary else None,
        "canary_id": row.canary_id,
        "canary_percent": row.canary_percent,
        "beside": [f"{policies[one].name}@{policies[one].version}" for one in row.beside],
        "restores": row.restores,
        "by": row.by,
        "at": moment(row.at),
        "problem": row.problem,
    }


def hosts_of(row: StoredDecision) -> set[str]:
    """The ids of the hosts an explanation speaks of."""
    told = row.explanation
    return {told["host"], *(one["host"] for key in _HOST_LISTS for one in told[key])} - {""}


def decision_view(row: StoredDecision, names: Names, whole: bool = False) -> JsonDict:
    """One decision; `whole` with its explanation, which names hosts only to those who may know them."""
    return {
        "id": row.id,
        "project": row.project_id,
        "job": row.job_id,
        "vm": row.vm_id,
        "host": names.host(row.host_id),
        "policy": row.policy,
        "policy_sha": row.policy_sha,
        "generation": row.generation,
        "created_at": moment(row.created_at),
        "explanation": _explanation(row, names) if whole else None,
    }


def _explanation(row: StoredDecision, names: Names) -> JsonDict:
    if not names.unmasked:
        return masked_decision(row.explanation)
    return {**row.explanation, "hosts": {host: names.host(host) for host in sorted(hosts_of(row))}}

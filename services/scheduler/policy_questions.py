# SPDX-License-Identifier: Apache-2.0
"""Answers "is this text a policy?": the API stores none that its scheduler could not use."""

from typing import Any

from services.common.contracts.errors import Invalid, Problem
from services.scheduler.policy_file import read_policy

TOPIC = "policy"
JsonDict = dict[str, Any]


def check(payload: JsonDict) -> JsonDict:
    """{name, version, sha256} of {"text"}; raises Invalid with everything wrong in it, each with line and column."""
    text = payload.get("text")
    if not isinstance(text, str):
        raise Invalid("there is no text", [Problem("/text", "there is no text", "send the policy's YAML as text")])
    policy = read_policy(text)
    return {"name": policy.name, "version": policy.version, "sha256": policy.sha256}

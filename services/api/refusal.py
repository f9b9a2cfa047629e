# SPDX-License-Identifier: Apache-2.0
"""What another service answered a question with, where it refused: the same error, raised here."""

from collections.abc import Mapping
from typing import Any

from services.common.contracts import errors
from services.common.contracts.errors import InnkeeperError, Invalid, Problem


def refusal(told: Mapping[str, Any]) -> InnkeeperError:
    """The error that another service answered with."""
    known = {e.code: e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, InnkeeperError)}
    kind = known.get(str(told.get("code")), Invalid)
    problems = [Problem(p["pointer"], p["detail"], p.get("fix", "")) for p in told.get("errors", [])]
    return kind(str(told.get("detail", "")), problems)

# SPDX-License-Identifier: Apache-2.0
"""How far cloud-init has come, read from the files it leaves under /run/cloud-init."""

# ruff: noqa: UP006, UP035, UP045  (Python 3.6 runs this)
import json
from typing import Any, Dict, Optional

from services.guestagent.facts import read

_PHASE = "first boot"
_STAGES = {"init-local": 20, "init": 40, "modules-config": 60, "modules-final": 80}
_LOG_TAIL = 6000


def progress(run: str = "/run/cloud-init", log: str = "/var/log/cloud-init-output.log") -> Optional[Dict[str, Any]]:
    """A `phase` message for the present stage, `failed` when it ended with errors, None where it does not run."""
    result = _section(run + "/result.json")
    if result is not None:
        errors = [str(error) for error in result.get("errors") or []]
        if errors:
            text = "\n".join([*errors[:20], read(log)[-_LOG_TAIL:]])
            return {"type": "failed", "phase": _PHASE, "log": text[:8000]}
        return {"type": "phase", "name": _PHASE, "percent": 100}
    status = _section(run + "/status.json")
    stage = (status or {}).get("stage")
    if not isinstance(stage, str):
        return None
    return {"type": "phase", "name": _PHASE, "percent": _STAGES.get(stage, 0)}


def _section(path: str) -> Optional[Dict[str, Any]]:
    try:
        value = json.loads(read(path) or "null")
    except ValueError:
        return None  # it is being written; the next look sees it whole
    section = value.get("v1") if isinstance(value, dict) else None
    return section if isinstance(section, dict) else None

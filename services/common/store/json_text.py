# SPDX-License-Identifier: Apache-2.0
"""JSON as parameters of statements and values of columns: on every job's way many times, so by a library in C."""

from typing import Any

import orjson

loads = orjson.loads
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY  # a float of NumPy's is a float


def dumps(value: Any) -> str:
    """The text; TypeError where there is none (an object of no JSON kind, half a character, more than 64 bits)."""
    return orjson.dumps(value, option=_OPTIONS).decode()

# SPDX-License-Identifier: Apache-2.0
"""What makes one object of another, as a JSON patch (RFC 6902)."""

from collections.abc import Iterator
from typing import Any

Operation = dict[str, Any]


def patch(old: Any, new: Any, path: str = "") -> Iterator[Operation]:
    """The operations; lists of one length item by item, others as a whole."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            below = f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
            if name not in new:
                yield {"op": "remove", "path": below}
            elif name not in old:
                yield {"op": "add", "path": below, "value": new[name]}
            else:
                yield from patch(old[name], new[name], below)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for n, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from patch(before, after, f"{path}/{n}")
    elif old != new:
        yield {"op": "replace", "path": path, "value": new}

# SPDX-License-Identifier: Apache-2.0
"""`--volume data:20:keep` as the API has it. Pure."""

from typing import Any

_EXAMPLE = "write it like data:20, data:20:keep, or data for one that was kept"


def data_disk(text: str) -> dict[str, Any]:
    """The volume object; raises ValueError with what is wrong and an example."""
    name, *rest = (part.strip() for part in text.split(":"))
    if not name:
        raise ValueError(f"{text!r} names no volume; {_EXAMPLE}")
    if not rest:
        return {"volume": name}
    size, *more = rest
    if not size.isdecimal():
        raise ValueError(f"{size!r} is no number of GiB; {_EXAMPLE}")
    if more not in ([], ["keep"]):
        raise ValueError(f"{':'.join(more)!r} is not known after the size; {_EXAMPLE}")
    return {"name": name, "size_gib": int(size), **({"keep": True} if more else {})}

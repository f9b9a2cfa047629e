# SPDX-License-Identifier: Apache-2.0
"""`--volume data:20:keep@fast` as the API has it. Pure."""

from typing import Any

_EXAMPLE = "write it like data:20, data:20:keep, data:20@fast (a datastore), or data for one that was kept"


def data_disk(text: str) -> dict[str, Any]:
    """The volume object; raises ValueError with what is wrong and an example."""
    told, at, datastore = (part.strip() for part in text.partition("@"))
    name, *rest = (part.strip() for part in told.split(":"))
    if not name:
        raise ValueError(f"{text!r} names no volume; {_EXAMPLE}")
    if at and not (datastore and rest):
        raise ValueError(f"{text!r}: @ comes after the size, with a datastore's name; {_EXAMPLE}")
    if not rest:
        return {"volume": name}
    size, *more = rest
    if not size.isdecimal():
        raise ValueError(f"{size!r} is no number of GiB; {_EXAMPLE}")
    if more not in ([], ["keep"]):
        raise ValueError(f"{':'.join(more)!r} is not known after the size; {_EXAMPLE}")
    kept, there = {"keep": True} if more else {}, {"datastore": datastore} if at else {}
    return {"name": name, "size_gib": int(size), **kept, **there}

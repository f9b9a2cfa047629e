# SPDX-License-Identifier: Apache-2.0
"""Whether a host has the datastores that a vm's volumes shall lie on, and room there. A part of the traits filter."""

from typing import TYPE_CHECKING

import numpy as np

from services.common.contracts.placement import HostView, Request

if TYPE_CHECKING:
    from services.scheduler.engine.table import Bools, HostTable, Ints


def lacks_datastores(request: Request, host: HostView) -> str:
    """What is in the way, to go on after the host's name; "" where nothing is."""
    told = []
    for name, gib in request.datastores:
        left = host.datastores.get(name)
        if left is None:
            told.append(f"has no datastore {name!r}")
        elif left < gib:
            told.append(f"has {max(0, left)} GiB left on its datastore {name!r}, where {gib} are asked for")
    return " and ".join(told)


def have_datastores(request: Request, table: "HostTable", rows: "Ints") -> "Bools":
    """Which of these rows have them."""
    views = (table.views[row] for row in rows)
    found = (view is not None and not lacks_datastores(request, view) for view in views)
    return np.fromiter(found, np.bool_, len(rows))

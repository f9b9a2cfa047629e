# SPDX-License-Identifier: Apache-2.0
"""Whether a system can be told of its only network card without the card's MAC."""

from services.common.catalog.entries import OsEntry

# Dialects with words for it; the others match by MAC alone, and refuse.
DIALECTS = frozenset({"autoinstall_network", "cloud_init_v2", "netplan"})


def takes_any_card(entry: OsEntry) -> bool:
    """Whether every dialect the row is written in has words for a card nobody has seen yet."""
    return {*entry.network.values(), *entry.fragments.values()} <= DIALECTS

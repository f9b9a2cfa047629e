# SPDX-License-Identifier: Apache-2.0
"""How an entry of a policy's `filters` becomes a filter, by its type.

A policy must have the ESSENTIAL ones, or a wish would be ignored. Groups and headroom are filters too, read elsewhere.
"""

from collections.abc import Callable, Mapping

from services.scheduler.capacity import Capacity
from services.scheduler.filters.capacity import CapacityFilter
from services.scheduler.filters.expression import ExpressionFilter
from services.scheduler.filters.hypervisor import HypervisorFilter
from services.scheduler.filters.load import LoadFilter
from services.scheduler.filters.named_host import NamedHostFilter
from services.scheduler.filters.state import StateFilter
from services.scheduler.filters.traits import TraitsFilter
from services.scheduler.filters.zone import ZoneFilter
from services.scheduler.policy_text import Section
from services.scheduler.rule import Filter

_ESSENTIAL = (StateFilter, NamedHostFilter, HypervisorFilter, ZoneFilter, TraitsFilter, CapacityFilter)
ESSENTIAL = tuple(cls.name for cls in _ESSENTIAL)
SEVERAL = frozenset({"expr"})  # may be listed more than once, each with a name of its own
FILTERS: Mapping[str, Callable[[Section, Capacity], Filter]] = {
    **{cls.name: cls.read for cls in (*_ESSENTIAL, LoadFilter)},
    "expr": ExpressionFilter.read,
}

# SPDX-License-Identifier: Apache-2.0
"""The filters by the name a policy uses; a policy must have the ESSENTIAL ones, or a wish would be ignored."""

from collections.abc import Mapping

from services.scheduler.filters.capacity import CapacityFilter
from services.scheduler.filters.hypervisor import HypervisorFilter
from services.scheduler.filters.load import LoadFilter
from services.scheduler.filters.named_host import NamedHostFilter
from services.scheduler.filters.state import StateFilter
from services.scheduler.filters.traits import TraitsFilter
from services.scheduler.filters.zone import ZoneFilter
from services.scheduler.rule import Filter

FILTERS: Mapping[str, type[Filter]] = {
    cls.name: cls
    for cls in (
        StateFilter,
        NamedHostFilter,
        HypervisorFilter,
        ZoneFilter,
        TraitsFilter,
        CapacityFilter,
        LoadFilter,
    )
}
ESSENTIAL = tuple(name for name in FILTERS if name != LoadFilter.name)
LATER = frozenset({"expr"})

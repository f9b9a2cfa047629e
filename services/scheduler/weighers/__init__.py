# SPDX-License-Identifier: Apache-2.0
"""The weighers by the name a policy uses."""

from collections.abc import Mapping

from services.scheduler.rule import Weigher
from services.scheduler.weighers.balance import BalanceWeigher
from services.scheduler.weighers.cpu import CpuWeigher
from services.scheduler.weighers.energy import EnergyWeigher
from services.scheduler.weighers.pack import PackWeigher
from services.scheduler.weighers.spread import SpreadWeigher

WEIGHERS: Mapping[str, type[Weigher]] = {
    cls.name: cls for cls in (CpuWeigher, EnergyWeigher, PackWeigher, SpreadWeigher, BalanceWeigher)
}
LATER = frozenset({"failures", "cost"})

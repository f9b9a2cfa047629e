# SPDX-License-Identifier: Apache-2.0
"""How an entry of a policy's `weighers` becomes a weigher, by its type. Soft groups are weighers too."""

from collections.abc import Callable, Mapping

from services.scheduler.capacity import Capacity
from services.scheduler.policy_text import Section
from services.scheduler.rule import Weigher
from services.scheduler.weighers.balance import BalanceWeigher
from services.scheduler.weighers.cost import CostWeigher
from services.scheduler.weighers.cpu import CpuWeigher
from services.scheduler.weighers.energy import EnergyWeigher
from services.scheduler.weighers.failures import FailuresWeigher
from services.scheduler.weighers.load import LoadWeigher
from services.scheduler.weighers.pack import PackWeigher
from services.scheduler.weighers.spread import SpreadWeigher

_FULL_OR_EMPTY = (PackWeigher, SpreadWeigher, BalanceWeigher)
_ALL = (CpuWeigher, LoadWeigher, EnergyWeigher, *_FULL_OR_EMPTY, FailuresWeigher, CostWeigher)
WEIGHERS: Mapping[str, Callable[[Section, Capacity], Weigher]] = {cls.name: cls.read for cls in _ALL}
EITHER_WAY = frozenset({PackWeigher.name, SpreadWeigher.name})  # whose multiplier may be below 0
AGAINST = frozenset({FailuresWeigher.name})  # whose multiplier must be

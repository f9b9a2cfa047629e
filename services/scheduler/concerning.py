# SPDX-License-Identifier: Apache-2.0
"""Whether a rule has anything to say of a vm at all."""

from services.common.contracts.placement import Request
from services.scheduler.filters.group import GroupFilter
from services.scheduler.groups import member_of
from services.scheduler.rule import Filter, Weigher
from services.scheduler.weighers.group import GroupWeigher


def concerns(rule: Filter | Weigher, request: Request) -> bool:
    """A group says the same of every host for a vm without its label; any other rule is for all."""
    return not isinstance(rule, GroupFilter | GroupWeigher) or bool(member_of(rule.group, request))

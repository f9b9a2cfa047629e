# SPDX-License-Identifier: Apache-2.0
"""Other sizes for a vm: at once where its host can do that, else when it is off next."""

from dataclasses import asdict

from sqlalchemy.orm import Session

from services.api.call import Answer, Call
from services.api.handlers.vms import locked, opened
from services.api.intents.abilities import need
from services.api.intents.quota import within_quota
from services.api.intents.resizing import Wish, sizes_of, wish
from services.api.intents.world import world_for
from services.common.contracts.abilities import NEEDS
from services.common.contracts.codec import dump
from services.common.store.models import Vm


def resize(call: Call, db: Session) -> Answer:
    """Give it another flavor, or other figures; its disks stay as they are."""
    vm = locked(call, db)
    need(db, vm, NEEDS["resize"], "resize", call.admin)
    world = world_for(call, db, {**call.body, "networks": ()})
    wanted = wish(vm, call.body, world.sizes, world.systems.get(vm.os))
    _within_quota(call, db, vm, wanted)
    before = {"before": dump(sizes_of(vm)), "flavor_before": vm.flavor}
    # Counted from now on: of two requests at the same moment only one gets the last of a quota.
    vm.spec = {**vm.spec, **asdict(wanted.sizes), "flavor": wanted.flavor}
    vm.flavor = wanted.flavor
    params = {"sizes": dump(wanted.sizes), "flavor": wanted.flavor, **before}
    return opened(call, db, vm, "vm.resize", params)


def _within_quota(call: Call, db: Session, vm: Vm, wanted: Wish) -> None:
    more = asdict(wanted.sizes.less(sizes_of(vm)))
    asked = {key: amount for key, amount in more.items() if amount}
    within_quota(db, call.project, asked, "/flavor" if "flavor" in call.body else "")

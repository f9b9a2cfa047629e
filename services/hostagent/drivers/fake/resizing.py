# SPDX-License-Identifier: Apache-2.0
"""Other sizes for a fake vm: more at once while it runs, less from its next start on. Pure."""

from dataclasses import replace

from services.common.contracts.sizes import Sizes
from services.hostagent.drivers.base import Power
from services.hostagent.drivers.fake.state import FakeVm


def resized(vm: FakeVm, sizes: Sizes, hot: bool) -> FakeVm:
    """The vm defined so; `hot`: whether it takes more while it runs."""
    now = sizes_now(vm)
    changed = replace(vm, vcpus=sizes.vcpus, memory_mib=sizes.memory_mib)
    if vm.power not in (Power.ON, Power.PAUSED):
        return replace(changed, live=None)
    got = now.most(sizes) if hot else now
    return replace(changed, live=None if got == sizes else got)


def sizes_now(vm: FakeVm) -> Sizes:
    """What it has, whatever it is to have later."""
    return vm.live or Sizes(vm.vcpus, vm.memory_mib)

# SPDX-License-Identifier: Apache-2.0
"""All that a fake host has, read from its file and its directories anew."""

from services.common.contracts.survey import Found, FoundKind
from services.hostagent.drivers.fake.state import FakeState, FakeVolume
from services.hostagent.drivers.survey_files import files_found
from services.hostagent.drivers.vm_files import VmFiles


def surveyed(state: FakeState, platform: str, files: VmFiles) -> list[Found]:
    """Vms with their snapshots, networks and volumes as the file says, and what lies in the directory."""
    mine = [vm for vm in state.vms.values() if vm.platform == platform]
    vms = [Found(FoundKind.VM, vm.name, vm.id) for vm in mine]
    networks = [Found(FoundKind.NETWORK, name, id=name) for name in state.networks]
    volumes = [Found(FoundKind.VOLUME, _called(one), one.vm, one.id) for one in state.volumes.values()]
    snapshots = [Found(FoundKind.SNAPSHOT, one.id, vm.id, one.id) for vm in mine for one in vm.snapshots]
    return [*vms, *networks, *volumes, *snapshots, *files_found(files, set(), {vm.id for vm in mine})]


def _called(volume: FakeVolume) -> str:
    return f"{volume.datastore}/{volume.id}" if volume.datastore else volume.id

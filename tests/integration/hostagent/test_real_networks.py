# SPDX-License-Identifier: Apache-2.0
"""Networks by what truly passes on them: one real guest sends, and its taps, bridges and neighbours are listened to."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.servers.libvirtd import Libvirtd
from services.common.contracts.commands import DeployPlan, NicPlan
from services.common.contracts.network import NetworkKind, NetworkPlan
from services.common.contracts.vm import nic_mac
from services.hostagent.drivers import open_driver
from services.hostagent.drivers.base import Capability, Driver, DriverSettings, Owner
from services.hostagent.drivers.libvirt.network_xml import bridge_name
from tests.support.hypervisor import PLATFORM, a_vm, network, plan, private_libvirtd
from tests.support.mini_guest import mini_guest
from tests.support.missing import missing
from tests.support.open_vswitch import OpenVswitch, open_vswitch
from tests.support.waiting import until
from tests.support.wire import Frame, Wire, listening_to, run_in_the_room

THIEF = Path(__file__).parents[2] / "support" / "thief.sh"
STOLEN = "52:54:00:66:66:66"
GUARDED = network("guarded", anti_spoof=True, cidr="10.79.0.0/24", gateway="10.79.0.1", dhcp_start="", dhcp_end="")
STACKED = network("stacked", anti_spoof=True, cidr="10.78.0.0/24", gateway="10.78.0.1", dhcp_start="", dhcp_end="")
LEASED = network("leased", anti_spoof=True)
TAGGED = NetworkPlan("net-tagged", "tagged", NetworkKind.BRIDGE, bridge="ik-switch", vlan=20)
PEERS = {"peer20": "52:54:00:20:20:20", "peer30": "52:54:00:30:30:30"}


@dataclass(frozen=True)
class Scene:
    """The guest, from outside: the taps of its cards in their order, and who listens."""

    vm: str
    taps: list[str]
    wire: Wire
    libvirtd: Libvirtd

    def mac(self, card: int) -> str:
        return nic_mac(self.vm, card)

    def from_card(self, card: int) -> set[Frame]:
        """All it has sent."""
        return set(self.wire.seen(self.taps[card]))

    def sends(self, interface: str, frame: Frame) -> None:
        """Until the host has sent such a frame there."""
        until(lambda: frame in self.wire.seen(interface, "out"), 90, f"{frame} at {interface}")

    def next_round(self) -> None:
        """Until whatever was sent before has come out, where it does: the guest sends in turns."""
        told = len(self.wire.seen(self.taps[1]))
        until(lambda: len(self.wire.seen(self.taps[1])) > told + 1, 60, "the guest goes on")


@pytest.fixture(scope="module")
def libvirtd() -> Iterator[Libvirtd]:
    with private_libvirtd() as server:
        yield server


@pytest.fixture(scope="module")
def switch(libvirtd: Libvirtd) -> Iterator[OpenVswitch]:
    with open_vswitch(libvirtd, TAGGED.bridge) as server:
        server.add_peer(TAGGED.bridge, "peer20", 20, PEERS["peer20"], "10.80.0.2/24")
        server.add_peer(TAGGED.bridge, "peer30", 30, PEERS["peer30"], "10.81.0.2/24")
        yield server


@pytest.fixture(scope="module")
def driver(libvirtd: Libvirtd, switch: OpenVswitch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OVS_RUNDIR", str(switch.directory))
        settings = DriverSettings(tmp_path_factory.mktemp("agent"), PLATFORM, libvirtd.url, accelerator="tcg")
        opened = open_driver("libvirt", settings)
    yield opened
    opened.close()


def thief(vm: str, directory: Path) -> tuple[DeployPlan, dict[str, Path]]:
    """The mini guest with the thief as its first process, and its files."""
    guest = mini_guest(directory, THIEF.read_bytes())
    nics = (
        NicPlan(nic_mac(vm, 0), GUARDED, addresses=("10.79.0.9",)),
        NicPlan(nic_mac(vm, 1), TAGGED),
        NicPlan(nic_mac(vm, 2), LEASED),
        *(NicPlan(nic_mac(vm, n), STACKED, stacked=True) for n in (3, 4)),
    )
    boot = {"kernel": guest.kernel, "initrd": guest.initrd, "cmdline": guest.cmdline}
    return plan(vm, memory_mib=160, disks=(), nics=nics, **boot), guest.files


@pytest.fixture(scope="module")
def scene(driver: Driver, libvirtd: Libvirtd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    if Capability.ANTI_SPOOF not in driver.facts().capabilities:
        missing("libvirt's filter clean-traffic; install: apt-get install libvirt-daemon-config-nwfilter")
    directory, vm = tmp_path_factory.mktemp("guest"), a_vm()
    wanted, files = thief(vm, directory)
    for card in wanted.nics:
        driver.ensure_network(card.network)
    driver.deploy(wanted, Owner(PLATFORM, vm, 1), files)
    driver.start(vm)
    taps = [line.split()[0] for line in libvirtd.virsh("domiflist", wanted.name).stdout.splitlines()]
    others = [*(bridge_name(net.id) for net in (GUARDED, STACKED, LEASED)), *PEERS]
    with listening_to(libvirtd, [*taps, *others], directory / "wire") as wire:
        yield Scene(vm, taps, wire, libvirtd)
    driver.erase(vm)


@pytest.mark.parametrize(
    ("card", "guarded", "stolen"),
    [pytest.param(0, GUARDED, "10.79.0.66", id="static"), pytest.param(2, LEASED, "10.77.0.66", id="leased")],
)
def test_a_guest_sends_from_its_own_mac_and_address_and_from_no_other(
    scene: Scene, card: int, guarded: NetworkPlan, stolen: str
) -> None:
    mac, bridge = scene.mac(card), bridge_name(guarded.id)
    thefts = {Frame(mac, kind, stolen) for kind in ("arp", "ip")} | {Frame(mac, "ip6")}

    def robbed() -> bool:
        frames = scene.from_card(card)
        return thefts <= frames and {"arp", "ip"} <= {frame.kind for frame in frames if frame.mac == STOLEN}

    until(robbed, 90, "the guest has tried everything")
    scene.next_round()
    came_out = set(scene.wire.seen(bridge)) - {Frame(mac, "ip", "0.0.0.0")}  # how a lease is asked for
    addresses = {frame.address for frame in came_out}
    assert came_out == {Frame(mac, kind, address) for kind in ("arp", "ip") for address in addresses}
    assert len(addresses - {stolen}) == len(addresses) == 1


def test_what_carries_more_than_plain_addresses_is_held_to_the_macs_of_its_vm(scene: Scene) -> None:
    bond = scene.mac(3)

    def bonded() -> bool:
        return {Frame(bond, "ip", "10.78.0.14"), Frame(STOLEN, "ip", "10.78.0.14")} <= scene.from_card(4)

    until(bonded, 90, "the guest has sent as a bond does, and as another")
    scene.next_round()
    came_out = set(scene.wire.seen(bridge_name(STACKED.id)))
    assert {Frame(bond, "ip", "10.78.0.14"), Frame(bond, "ip6")} <= came_out
    assert STOLEN not in {frame.mac for frame in came_out}


def test_a_guest_speaks_to_its_own_vlan_and_hears_no_other(scene: Scene, driver: Driver) -> None:
    assert Capability.NETWORK_VLAN in driver.facts().capabilities
    tap, mac = scene.taps[1], scene.mac(1)
    scene.sends(tap, Frame(PEERS["peer20"], "ip", "10.80.0.2"))
    for peer, address in (("peer30", "10.81.0.2"), ("peer20", "10.80.0.2")):
        arping = ("busybox", "arping", "-c", "1", "-w", "1", "-U", "-s", address, "-I", peer, "10.80.0.9")
        run_in_the_room(scene.libvirtd, *arping)
        scene.sends(peer, Frame(PEERS[peer], "arp", address))
    scene.next_round()
    heard = {frame.mac for frame in scene.wire.seen(tap, "out")}
    assert heard & set(PEERS.values()) == {PEERS["peer20"]}
    assert {Frame(mac, "arp", "10.80.0.9"), Frame(mac, "ip", "10.80.0.9")} <= set(scene.wire.seen("peer20"))
    assert mac not in {frame.mac for frame in scene.wire.seen("peer30")}

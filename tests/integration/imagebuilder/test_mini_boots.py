# SPDX-License-Identifier: Apache-2.0
"""The mini guest boots from what the image builder makes, and its network is what its seed says, seen from inside."""

from pathlib import Path

from services.common.catalog import systems
from services.common.contracts.network import Nic, Route
from services.imagebuilder.iso import iso_image
from services.imagebuilder.masters import Master, MasterStore
from services.imagebuilder.seed import seed_files
from tests.integration.imagebuilder.conftest import Guest
from tests.support.imaging import SECRETS, VM_ID, a_nic, a_spec

# The second link is to have the name the kernel gives the first.
NICS = (
    a_nic(1, name="eth1", dhcp4=True),
    a_nic(
        2,
        name="eth0",
        addresses=("192.0.2.10/24", "2001:db8::10/64"),
        routes=(Route("203.0.113.0/24", "192.0.2.1", 50),),
        dns=("192.0.2.53",),
        search=("example.org",),
        mtu=1400,
    ),
)


def boot(folder: Path, store: MasterStore, mini: Master, nics: tuple[Nic, ...]) -> Guest:
    seed = folder / "seed.iso"
    seed.write_bytes(
        iso_image(seed_files(systems()["mini"], VM_ID, a_spec(os="mini", nics=nics, users=(), domain=""), SECRETS))
    )
    arguments = ["-kernel", str(store.path(mini.files["kernel"].sha256)), "-append", mini.cmdline]
    arguments += ["-initrd", str(store.path(mini.files["initrd"].sha256))]
    arguments += ["-drive", f"file={seed},if=none,id=seed,format=raw,readonly=on", "-device", "scsi-cd,drive=seed"]
    for number, nic in enumerate(nics):
        arguments += ["-netdev", f"user,id=n{number},restrict=on"]
        arguments += ["-device", f"virtio-net-pci,netdev=n{number},mac={nic.mac},romfile="]
    return Guest(folder, arguments)


def test_the_guest_reports_the_network_it_was_asked_for_and_obeys_the_power_button(
    tmp_path: Path, store: MasterStore, mini: Master, guests: list[Guest]
) -> None:
    guest = boot(tmp_path, store, mini, NICS)
    guests.append(guest)
    hello = guest.message("hello")
    assert hello["hostname"] == "web-1"
    report = guest.report_with("10.0.2.15/24")
    links = {link["mac"]: link for link in report["interfaces"]}
    first, second = links[NICS[0].mac], links[NICS[1].mac]
    assert (first["name"], first["up"], first["addresses"]) == ("eth1", True, ["10.0.2.15/24"])
    assert (second["name"], second["mtu"], second["up"]) == ("eth0", 1400, True)
    assert set(second["addresses"]) == {"192.0.2.10/24", "2001:db8::10/64"}
    assert {"to": "203.0.113.0/24", "via": "192.0.2.1", "dev": "eth0", "metric": 50} in report["routes"]
    assert "192.0.2.53" in report["dns"]
    guest.say({"type": "ask"})
    assert guest.message("hello")["boot_id"] == hello["boot_id"]
    guest.press_power()
    assert guest.process.wait(timeout=20) == 0


def test_a_dhcp_servers_default_route_is_left_when_it_is_not_wanted(
    tmp_path: Path, store: MasterStore, mini: Master, guests: list[Guest]
) -> None:
    nics = (a_nic(1, dhcp4=True, default_route=False), a_nic(2))
    guest = boot(tmp_path, store, mini, nics)
    guests.append(guest)
    report = guest.report_with("10.0.2.15/24")
    assert report["routes"] == []
    idle = next(link for link in report["interfaces"] if link["mac"] == nics[1].mac)
    assert (idle["name"], idle["up"], idle["addresses"]) == ("eth1", False, [])

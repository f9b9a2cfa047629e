# SPDX-License-Identifier: Apache-2.0
"""Who plays all the simulated guests, each in its turn."""

from __future__ import annotations

import time
from ipaddress import ip_network

from deploy.local.simulated_guests.answers import Unreadable, read_answers
from deploy.local.simulated_guests.guest import Guest
from deploy.local.simulated_guests.vcenter import Machine, Vcenter
from services.common.contracts.errors import HostFailed, TryAgain
from services.common.contracts.network import NetworkPlan

_FIRST, _LAST = 200, 250  # of the network's addresses those that DHCP "gives"


class Guests:
    """Everybody inside; all trust one `authority`, as systems would whose authorities it is among.

    Whoever's image can't be read stays silent, and the log says why.
    """

    def __init__(self, vcenter: Vcenter, lan: NetworkPlan, authority: str) -> None:
        self._vcenter, self._lan, self._authority = vcenter, lan, authority
        self._inside: dict[tuple[str, str], Guest | None] = {}

    def turn(self) -> None:
        """Look at all machines, and let each guest say one thing."""
        try:
            machines = self._vcenter.machines()
        except (HostFailed, TryAgain) as error:
            log("the simulated vCenter", str(error))
            return
        self._inside = {key: guest for key, guest in self._inside.items() if key in {_key(m) for m in machines}}
        for machine in machines:
            guest = self._guest(machine)
            try:
                said = guest.turn(machine, time.monotonic()) if guest is not None else ""
            except OSError as error:
                said = f"not heard, tries again: {error}"
            if said:
                log(machine.name, said)

    def _guest(self, machine: Machine) -> Guest | None:
        key = _key(machine)
        if key not in self._inside and machine.on:
            try:
                with self._vcenter.open(machine.image) as file:
                    answers = read_answers(file)  # type: ignore[arg-type]
                self._inside[key] = Guest(machine, answers, self._lan, self._authority)
                log(machine.name, f"a simulated guest begins, from {machine.image}")
            except (Unreadable, ValueError) as error:
                self._inside[key] = None
                log(machine.name, f"no guest can be simulated from {machine.image}: {error}")
            except OSError as error:
                log(machine.name, f"{machine.image} can't be read, tried again: {error}")
        return self._inside.get(key)


def lan_of(cidr: str) -> NetworkPlan:
    """The network as the players of guests know it."""
    first = ip_network(cidr)
    return NetworkPlan("lan", "lan", "bridge", cidr, dhcp_start=str(first[_FIRST]), dhcp_end=str(first[_LAST]))


def _key(machine: Machine) -> tuple[str, str]:
    return machine.key, machine.image


def log(who: str, text: str) -> None:
    print(f"{who}: {text}", flush=True)

# SPDX-License-Identifier: Apache-2.0
"""Which address of a network a card gets where nobody said: what is reserved for it, else one of the ranges. Pure."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address, ip_network

MOST_TRIED = 65536  # addresses of a range that may be larger than all the world's vms


@dataclass(frozen=True)
class Range:
    """Addresses from the first to the last, both included."""

    start: str
    end: str

    @property
    def size(self) -> int:
        """How many."""
        return int(ip_address(self.end)) - int(ip_address(self.start)) + 1

    def holds(self, address: str) -> bool:
        """Whether this is one of them."""
        return int(ip_address(self.start)) <= int(ip_address(address)) <= int(ip_address(self.end))


@dataclass(frozen=True)
class Reservation:
    """An address that is one card's: that of this MAC, or the first one on the network of the vm of this name."""

    address: str
    mac: str = ""
    name: str = ""

    def fits(self, vm_name: str, mac: str) -> bool:
        """Whether the address is this card's."""
        return mac.lower() == self.mac.lower() if self.mac else vm_name == self.name

    @property
    def whose(self) -> str:
        """For people."""
        return f"the card {self.mac}" if self.mac else f"the vm {self.name!r}"


@dataclass(frozen=True)
class Pool:
    """The addresses a network has to give."""

    cidr: str
    gateway: str = ""
    ranges: tuple[Range, ...] = ()
    reservations: tuple[Reservation, ...] = ()

    def reserved_for(self, vm_name: str, mac: str) -> str:
        """The address that is this card's; "" for none."""
        return next((r.address for r in self.reservations if r.fits(vm_name, mac)), "")

    def reservation(self, address: str) -> Reservation | None:
        """Whose an address is; what is none is nobody's."""
        try:
            plain = str(ip_address(address))
        except ValueError:
            return None
        return next((r for r in self.reservations if r.address == plain), None)

    def free(self, taken: Collection[str], key: str) -> str:
        """An address of the ranges that nobody has, "" where there is none; others look elsewhere first."""
        mine = {*taken, self.gateway, *(r.address for r in self.reservations)}
        return next((address for address in self._from(key) if address not in mine), "")

    def with_prefix(self, address: str) -> str:
        """As a card has it."""
        return f"{address}/{ip_network(self.cidr).prefixlen}"

    def _from(self, key: str) -> Iterator[str]:
        total = sum(r.size for r in self.ranges)
        begin = int.from_bytes(sha256(key.encode()).digest()[:8]) % total if total else 0
        for n in range(min(total, MOST_TRIED)):
            yield self._at((begin + n) % total)

    def _at(self, place: int) -> str:
        for one in self.ranges:
            if place < one.size:
                return str(ip_address(one.start) + place)
            place -= one.size
        raise IndexError(place)

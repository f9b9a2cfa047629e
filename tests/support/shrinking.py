# SPDX-License-Identifier: Apache-2.0
"""A wish that breaks a rule, made smaller field by field for as long as it breaks it: what is left is the reason."""

from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, replace
from typing import Any

from services.common.contracts.vm import Secrets, VmSpec
from tests.support.arbitrary import Wish

_KEPT = ("name", "hostname", "os", "vcpus", "memory_mib", "disk_gib", "nics", "firmware")


def smallest(wish: Wish, breaks: Callable[[Wish], bool]) -> Wish:
    """The last of the smaller and smaller wishes that still `breaks`."""
    while True:
        found = next((one for one in _smaller(wish) if breaks(one)), None)
        if found is None:
            return wish
        wish = found


def told(wish: Wish) -> str:
    """What of a wish is not as usual, for a person; long texts are cut."""
    values = {f.name: getattr(wish.spec, f.name) for f in fields(VmSpec)}
    unusual = {name: value for name, value in values.items() if name in _KEPT or value != _default(VmSpec, name)}
    shown = {**unusual, "hashes": sorted(wish.secrets.password_hashes), "first_boot": wish.secrets.first_boot}
    return ", ".join(f"{name}={str(value)[:300]!r}" for name, value in shown.items() if value)


def _smaller(wish: Wish) -> Iterator[Wish]:
    for name in (f.name for f in fields(VmSpec) if f.name not in _KEPT):
        value, usual = getattr(wish.spec, name), _default(VmSpec, name)
        if value != usual:
            yield replace(wish, spec=replace(wish.spec, **{name: usual}))
        if isinstance(value, tuple) and len(value) > 1:
            for n in range(len(value)):
                yield replace(wish, spec=replace(wish.spec, **{name: (*value[:n], *value[n + 1 :])}))
    if len(wish.spec.nics) > 1:
        yield replace(wish, spec=replace(wish.spec, nics=wish.spec.nics[:-1]))
        yield replace(wish, spec=replace(wish.spec, nics=wish.spec.nics[1:]))
    for n, nic in enumerate(wish.spec.nics):
        for name in (
            "addresses",
            "gateway4",
            "gateway6",
            "routes",
            "dns",
            "search",
            "mtu",
            "name",
            "dhcp6",
            "accept_ra",
        ):
            if getattr(nic, name) != _default(type(nic), name):
                less = replace(nic, **{name: _default(type(nic), name)})
                yield replace(wish, spec=replace(wish.spec, nics=(*wish.spec.nics[:n], less, *wish.spec.nics[n + 1 :])))
    for name in ("password_hashes", "first_boot"):
        if getattr(wish.secrets, name):
            yield replace(wish, secrets=replace(wish.secrets, **{name: _default(Secrets, name)}))


def _default(kind: type[Any], name: str) -> Any:
    found = next(f for f in fields(kind) if f.name == name)
    return found.default_factory() if found.default_factory is not MISSING else found.default

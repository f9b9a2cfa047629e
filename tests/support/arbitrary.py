# SPDX-License-Identifier: Apache-2.0
"""Random wishes for a row of the catalogue: most can be had, some have a hostile text in one of their fields.

The same seed, row and number give the same wish: INNKEEPER_TEST_SEED chooses another seed.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from services.common.catalog import OsEntry, systems
from services.common.contracts.network import Bond, NetworkModel, Nic, Route, Vlan
from services.common.contracts.vm import Layout, Repository, Secrets, UserSpec, VmSpec
from tests.support.answers import KEYS_ONLY
from tests.support.arbitrary_links import a_network
from tests.support.hostile import a_text
from tests.support.package_sources import a_source

SEED = os.environ.get("INNKEEPER_TEST_SEED", "1")
PEM = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIU\n-----END CERTIFICATE-----\n"
HASH = "$6$rounds=50000$abcdefgh$" + "Ab./0" * 17 + "x"
# What YAML, JSON or a shell could take for something else than a name.
_NAMES = ("web-1", "null", "true", "on", "no", "1e3", "0x1f", "012", "12", "2001-01-01", "nan", "x--y", "a" * 15)
_USERS = ("ops", "null", "yes", "_x", "a-b", "n0", "on", "deploy", "user", "x1234567890")
_PACKAGES = ("vim", "gcc-c++", "libstdc++6", "0ad", "a.b", "python3.11", "null", "tmux")
# A row refuses what it can't have, and that is tested elsewhere: here it is asked for seldom.
_SELDOM = 0.04


@dataclass(frozen=True)
class Wish:
    """A spec and its secrets; `hostile` is the field that was made so, and its text."""

    spec: VmSpec
    secrets: Secrets
    hostile: tuple[str, str] | None = None


def a_wish(entry: OsEntry, number: int) -> Wish:
    """The number-th wish for this row."""
    random = Random(f"{SEED}/{entry.name}/{number}")
    wish = a_tame_wish(random, entry)
    return _made_hostile(random, wish) if random.random() < 0.4 else wish


def a_tame_wish(random: Random, entry: OsEntry) -> Wish:
    """One that has nothing hostile in it."""
    keyed = entry.family in KEYS_ONLY
    names = random.sample(_USERS, random.randrange(1 if keyed else 0, 4)) if _often(random, entry, "users") else []
    users = tuple(UserSpec(name, _keys(random), keyed or random.random() < 0.5) for name in names)
    hashes = {name: HASH for name in names if random.random() < (_SELDOM if keyed else 0.5)}
    network = _sayable(entry, a_network(random))
    spec = VmSpec(
        name="web-1",
        hostname=random.choice(_NAMES),
        os=entry.name,
        vcpus=1,
        memory_mib=512,
        disk_gib=8,
        nics=network.nics,
        bonds=network.bonds,
        vlans=network.vlans,
        firmware=random.choice(entry.firmware),
        users=users,
        guest_agent=random.random() < 0.15,
        ssh_passwords=random.random() < 0.7,
        domain=random.choice(("", "example.org", "a.b.c.example")) if _often(random, entry, "domain") else "",
    )
    spec = replace(spec, **_extras(random, entry))
    return Wish(spec, Secrets(hashes, _first_boot(random, entry), "0123456789abcdef"))


def _often(random: Random, entry: OsEntry, field: str) -> bool:
    return field not in entry.refuses or random.random() < _SELDOM


def _sayable(entry: OsEntry, network: NetworkModel) -> NetworkModel:
    """Without what the row has no words for at all."""
    bonds = () if "bonds" in entry.refuses else network.bonds
    return NetworkModel(network.nics, bonds, () if "vlans" in entry.refuses else network.vlans)


def _extras(random: Random, entry: OsEntry) -> dict[str, Any]:
    choices: dict[str, Callable[[], Any]] = {
        "locale": lambda: random.choice(("en_US.UTF-8", "de_DE.UTF-8", "C.UTF-8")),
        "keyboard": lambda: random.choice(("us", "de", "fr")),
        "timezone": lambda: random.choice(("Etc/UTC", "Europe/Berlin", "America/New_York")),
        "packages": lambda: tuple(random.sample(_PACKAGES, random.randrange(4))),
        "layout": lambda: random.choice((Layout.WHOLE, Layout.LVM, Layout.HOME)),
        "mirror": lambda: random.choice(("", "http://mirror.example.org/debian", "https://m.example:8443/a/b-c_d~e")),
        "proxy": lambda: random.choice(("", "http://proxy.example.org:3128")),
        "ntp": lambda: random.choice(((), ("ntp.example.org",), ("192.0.2.123", "2001:db8::123"))),
        "ca_certificates": lambda: (PEM,) * random.randrange(3),
        "repositories": lambda: _repositories(random, entry),
    }
    modest = entry.family in KEYS_ONLY
    often = {name: 0.7 for name in choices if name not in entry.refuses}
    if not entry.repositories:
        often.pop("repositories", None)
    if modest:
        often = dict.fromkeys(("ntp",), 0.7)
    return {name: choose() for name, choose in choices.items() if random.random() < often.get(name, _SELDOM / 4)}


def _repositories(random: Random, entry: OsEntry) -> tuple[Repository, ...]:
    return tuple(a_source(entry, f"source-{n}", "https://r.example.org/x") for n in range(random.randrange(3)))


def _keys(random: Random) -> tuple[str, ...]:
    comments = ("ops@desk", 'it\'s "mine" & <yours>', "$(x) `y` \\ # %end ]]> {{ z }}", "ünï 鍵", "")
    keys = (f"ssh-ed25519 AAAAC3Nz{n}+/= {random.choice(comments)}".rstrip() for n in range(random.randrange(3)))
    return tuple(keys)


def _first_boot(random: Random, entry: OsEntry) -> str:
    if random.random() < 0.5 or not _often(random, entry, "first_boot"):
        return ""
    if entry.family == "windows":
        return "#!powershell\n" + random.choice(("", "Write-Host 'x' \"`n\" ]]>\n", "%end\n"))
    texts = ["#!/bin/sh\n", "#!/bin/sh\necho '%end' \"$HOME\" `id`\nEND\nKEYFILE\n]]>\n{{ x }}\nü\n"]
    if "cloud_config" not in entry.refuses and entry.family not in KEYS_ONLY:
        texts.append("#cloud-config\nruncmd: [[echo, hi]]\n")
    return random.choice(texts)


def _made_hostile(random: Random, wish: Wish) -> Wish:
    field, text = random.choice(tuple(_HOSTILE)), a_text(random)
    if text == "" and field in _EMPTY_IS_NONE:
        return wish
    spec, secrets = _HOSTILE[field](wish.spec, wish.secrets, text)
    return Wish(spec, secrets, (field, text))


def _word(name: str) -> Callable[[VmSpec, Secrets, str], tuple[VmSpec, Secrets]]:
    return lambda spec, secrets, text: (replace(spec, **{name: text}), secrets)


def _listed(name: str) -> Callable[[VmSpec, Secrets, str], tuple[VmSpec, Secrets]]:
    return lambda spec, secrets, text: (replace(spec, **{name: (*getattr(spec, name), text)}), secrets)


def _nic(change: Callable[[Nic, str], dict[str, Any]]) -> Callable[[VmSpec, Secrets, str], tuple[VmSpec, Secrets]]:
    def made(spec: VmSpec, secrets: Secrets, text: str) -> tuple[VmSpec, Secrets]:
        return replace(spec, nics=(replace(spec.nics[0], **change(spec.nics[0], text)), *spec.nics[1:])), secrets

    return made


def _user(name: str) -> Callable[[VmSpec, Secrets, str], tuple[VmSpec, Secrets]]:
    def made(spec: VmSpec, secrets: Secrets, text: str) -> tuple[VmSpec, Secrets]:
        user = UserSpec(text) if name == "user" else UserSpec("mallory", (text,))
        return replace(spec, users=(*spec.users, user)), secrets

    return made


def _repository(name: str) -> Callable[[VmSpec, Secrets, str], tuple[VmSpec, Secrets]]:
    def made(spec: VmSpec, secrets: Secrets, text: str) -> tuple[VmSpec, Secrets]:
        usual = a_source(systems()[spec.os], "mallory", "https://r.example.org/y")
        changed = replace(usual, **{name: (text,) if name == "components" else text})
        return replace(spec, repositories=(*spec.repositories, changed)), secrets

    return made


def _hash(spec: VmSpec, secrets: Secrets, text: str) -> tuple[VmSpec, Secrets]:
    user = UserSpec("mallory")
    hashes = {**secrets.password_hashes, "mallory": text}
    return replace(spec, users=(*spec.users, user)), replace(secrets, password_hashes=hashes)


def _script(spec: VmSpec, secrets: Secrets, text: str) -> tuple[VmSpec, Secrets]:
    kind = "#!powershell" if spec.os.startswith("windows") else "#!/bin/sh"
    return spec, replace(secrets, first_boot=f"{kind}\n{text}")


def _bond(change: Callable[[Bond, str], Bond]) -> Callable[[VmSpec, Secrets, str], tuple[VmSpec, Secrets]]:
    def made(spec: VmSpec, secrets: Secrets, text: str) -> tuple[VmSpec, Secrets]:
        card = Nic(mac="52:54:00:0b:0b:01", network="net-1")
        bond = change(Bond(name="bond7", members=(card.mac,)), text)
        return replace(spec, nics=(*spec.nics, card), bonds=(*spec.bonds, bond)), secrets

    return made


def _vlan(change: Callable[[Vlan, str], Vlan]) -> Callable[[VmSpec, Secrets, str], tuple[VmSpec, Secrets]]:
    def made(spec: VmSpec, secrets: Secrets, text: str) -> tuple[VmSpec, Secrets]:
        vlan = change(Vlan(name="vlan7", id=7, over=spec.nics[0].mac), text)
        return replace(spec, vlans=(*spec.vlans, vlan)), secrets

    return made


_HOSTILE: dict[str, Callable[[VmSpec, Secrets, str], tuple[VmSpec, Secrets]]] = {
    "hostname": _word("hostname"),
    "domain": _word("domain"),
    "locale": _word("locale"),
    "keyboard": _word("keyboard"),
    "timezone": _word("timezone"),
    "layout": _word("layout"),
    "firmware": _word("firmware"),
    "mirror": _word("mirror"),
    "proxy": _word("proxy"),
    "packages": _listed("packages"),
    "ntp": _listed("ntp"),
    "ca_certificates": _listed("ca_certificates"),
    "repository name": _repository("name"),
    "repository url": _repository("url"),
    "repository key": _repository("signed_by"),
    "repository suite": _repository("suite"),
    "repository component": _repository("components"),
    "repository key name": _repository("key_name"),
    "users": _user("user"),
    "key": _user("key"),
    "hash": _hash,
    "first_boot": _script,
    "mac": _nic(lambda nic, text: {"mac": text}),
    "name": _nic(lambda nic, text: {"name": text}),
    "addresses": _nic(lambda nic, text: {"addresses": (*nic.addresses, text)}),
    "gateway4": _nic(lambda nic, text: {"gateway4": text}),
    "gateway6": _nic(lambda nic, text: {"gateway6": text}),
    "dns": _nic(lambda nic, text: {"dns": (*nic.dns, text)}),
    "search": _nic(lambda nic, text: {"search": (*nic.search, text)}),
    "to": _nic(lambda nic, text: {"routes": (*nic.routes, Route(text, "10.1.0.1"))}),
    "via": _nic(lambda nic, text: {"routes": (*nic.routes, Route("198.51.100.0/24", text))}),
    "bond name": _bond(lambda bond, text: replace(bond, name=text)),
    "bond mode": _bond(lambda bond, text: replace(bond, mode=text)),
    "bond member": _bond(lambda bond, text: replace(bond, members=(*bond.members, text))),
    "vlan name": _vlan(lambda vlan, text: replace(vlan, name=text)),
    "vlan over": _vlan(lambda vlan, text: replace(vlan, over=text)),
}
_SOURCE_S = ("repository suite", "repository key name")
_EMPTY_IS_NONE = (*_SOURCE_S, "domain", "mirror", "proxy", "name", "gateway4", "gateway6")

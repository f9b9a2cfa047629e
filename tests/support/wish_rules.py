# SPDX-License-Identifier: Apache-2.0
"""What holds for every wish, whatever it is: refused by field, or files in which values are values."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from ipaddress import ip_address, ip_interface, ip_network

from services.common.catalog import OsEntry, systems
from services.common.contracts.errors import Invalid, Problem
from services.common.contracts.network import Nic
from services.common.contracts.vm import Secrets, UserSpec, VmSpec
from services.imagebuilder.seed import seed_files
from tests.support.addresses import addresses_in
from tests.support.arbitrary import Wish
from tests.support.hostile import harmless
from tests.support.imaging import VM_ID
from tests.support.understood import Reader

FREE = ("key", "first_boot")  # any text may be one of these
_MAC = re.compile(r"(?<![0-9A-Fa-f:-])[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}(?![0-9A-Fa-f:-])")
_MASK = re.compile(r"(255|254|252|248|240|224|192|128|0)(\.(255|254|252|248|240|224|192|128|0)){3}")


def written(entry: OsEntry, wish: Wish) -> dict[str, bytes]:
    return seed_files(entry, VM_ID, wish.spec, wish.secrets)


def opaque(wish: Wish) -> frozenset[str]:
    return frozenset({wish.secrets.first_boot, *(key for user in wish.spec.users for key in user.ssh_keys)} - {""})


def check(entry: OsEntry, wish: Wish) -> bool:
    """Whether the wish was granted; AssertionError, or what a reader raises, where something is wrong."""
    try:
        files = written(entry, wish)
    except Invalid as refused:
        check_refusal(wish, refused)
        return False
    assert written(entry, wish) == files, "the same input gave other bytes"
    field, text = wish.hostile or ("", "")
    assert not field or field in FREE or harmless(text), f"{field} was taken as it is"
    texts = check_structure(entry, wish, files)
    check_data(wish, texts)
    check_addresses(entry, wish, "\n".join(texts - opaque(wish)))
    check_cards(wish, "\n".join(texts - opaque(wish)))
    return True


def check_refusal(wish: Wish, refused: Invalid) -> None:
    well_refused(refused.problems)
    said = " ".join(problem.detail for problem in refused.problems)
    hashes = [text for text in wish.secrets.password_hashes.values() if len(text) > 12]
    assert not any(text in said for text in hashes), "a refusal tells a password's hash"


def well_refused(problems: Sequence[Problem]) -> None:
    """Each problem names its field, says why and what would be right, in a bearable length."""
    assert problems, "refused for no reason"
    for problem in problems:
        assert problem.pointer.startswith("/"), f"no field: {problem}"
        assert problem.detail, f"no reason: {problem}"
        assert problem.fix, f"no way out: {problem}"
        assert len(problem.detail) < 500, f"the problem of {problem.pointer} has {len(problem.detail)} characters"


def check_structure(entry: OsEntry, wish: Wish, files: dict[str, bytes]) -> set[str]:
    """The files have the structure that a plain wish of the same shape has; all texts in them."""
    users = tuple(
        replace(user, ssh_keys=tuple(f"ssh-ed25519 AAAA plain-{n}" for n in range(len(user.ssh_keys))))
        for user in wish.spec.users
    )
    boot = f"{wish.secrets.first_boot.partition(chr(10))[0]}\ntrue\n" if wish.secrets.first_boot else ""
    plain = Wish(replace(wish.spec, users=users), replace(wish.secrets, first_boot=boot))
    others = written(entry, plain)
    assert list(files) == list(others)
    ours, theirs = Reader(opaque(wish)), Reader(opaque(plain))
    for path, content in files.items():
        structure = ours.file(path, content)
        if content != others[path]:
            assert structure == theirs.file(path, others[path]), f"{path} has another structure than a plain one"
    return ours.texts


def check_data(wish: Wish, texts: set[str]) -> None:
    """What was asked for stands in the files: free texts whole and by themselves, words at least somewhere."""
    lines = {line for text in texts for line in text.split("\n")} | texts
    for text in opaque(wish):
        assert text in lines, f"{text[:80]!r} is not in the files as it was given"
    everything = "\n".join(texts)
    searched = [domain for _, _, link in wish.spec.network.links() for domain in link.search]
    names = [user.name for user in wish.spec.users]
    sources = [source.url for source in wish.spec.repositories]
    for word in (wish.spec.hostname, *wish.spec.packages, *wish.spec.ntp, *names, *searched, *sources):
        assert word in everything, f"{word!r} is nowhere"


@cache
def constant_addresses(row: str) -> frozenset[str]:
    """What a row's files have of themselves."""
    entry = systems()[row]
    spec = VmSpec("h", "h", row, 1, 512, 8, (Nic("52:54:00:00:00:01", "n", dhcp4=True),), firmware=entry.firmware[0])
    spec = spec if "domain" in entry.refuses else replace(spec, domain="example.org")
    users = () if "users" in entry.refuses else (UserSpec("ops", ("ssh-ed25519 AAAA x",)),)
    files = written(entry, Wish(replace(spec, users=users, guest_agent=False), Secrets(guest_token="t")))
    return frozenset(addresses_in(b"\n".join(files.values()).decode())) | {"0.0.0.0", "::"}


def asked_addresses(spec: VmSpec) -> Iterator[str]:
    yield from (server for server in spec.ntp if ":" in server or server.replace(".", "").isdigit())
    for _, _, link in spec.network.links():
        yield from (str(ip_interface(text).ip) for text in link.addresses)
        yield from (text for text in (link.gateway4, link.gateway6, *link.dns) if text)
        yield from (route.via for route in link.routes)
        yield from (str(ip_network(route.to).network_address) for route in link.routes)


def check_addresses(entry: OsEntry, wish: Wish, text: str) -> None:
    """All addresses that were asked for, and no other ones."""
    asked = {str(ip_address(one)) for one in asked_addresses(wish.spec)}
    found = addresses_in(text)
    assert asked <= found, f"{sorted(asked - found)} nowhere"
    others = {one for one in found - asked - constant_addresses(entry.name) if not _MASK.fullmatch(one)}
    strange = {one for one in others if not ip_address(one).is_loopback}
    assert not strange, f"{sorted(strange)} nobody asked for"


def check_cards(wish: Wish, text: str) -> None:
    """Cards are meant by their MACs: those that were asked for, and no other ones."""
    found = {match[0].replace("-", ":").lower() for match in _MAC.finditer(text)}
    asked = {nic.mac.lower() for nic in wish.spec.nics}
    assert found <= asked, f"{sorted(found - asked)} nobody asked for"
    needed = {nic.mac.lower() for nic in wish.spec.nics if nic.configured}
    assert needed <= found, f"{sorted(needed - found)} nowhere"

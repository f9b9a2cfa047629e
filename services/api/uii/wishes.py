# SPDX-License-Identifier: Apache-2.0
"""What a build asks for, as a specification of ours. Pure, but for the salt of a password that comes in the clear."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from services.api import grammar
from services.api.uii import words
from services.api.uii.links import nics_of
from services.api.uii.reading import Fields
from services.common.catalog import OsEntry
from services.common.contracts.errors import Problem
from services.common.contracts.vm import Secrets, UserSpec, VmSpec

# The wire names no user. This one may become root by sudo.
LOGIN = "admin"
_CRYPT = re.compile(r"\$[0-9a-z]+\$[./0-9A-Za-z$=,-]+")
_hostname = grammar.matching(
    r"[a-zA-Z0-9][a-zA-Z0-9-]*", "a hostname", "letters, digits and -, a letter or digit first"
)
_timezone = "Etc/UTC"
# As for our own vms.
_MOST_NETWORKS, _MOST_PACKAGES, _MOST_KEYS = 16, 256, 32


def wish(
    body: Mapping[str, Any], entry: OsEntry, hashed: Callable[[str], str]
) -> tuple[VmSpec, Secrets, list[Problem]]:
    """Specification and secrets of a build, and everything that is wrong with it."""
    given = Fields(body)
    for known in ("dist", "version", "arch"):
        given.text(known)
    hostname = _name(given)
    nics, wrong = nics_of(given.objects("networks", _MOST_NETWORKS))
    users, secrets = _login(given, entry, hashed)
    password_good = given.flag("sshpasswordauth") or not secrets.password_hashes
    spec = VmSpec(
        name=hostname,
        hostname=hostname,
        os=entry.name,
        vcpus=1,
        memory_mib=entry.min_memory_mib,
        disk_gib=entry.min_disk_gib,
        nics=nics,
        locale=_meant(given, "locale", words.locale, words.DEFAULT_LOCALE, "en-US"),
        keyboard=_meant(given, "keyboard", words.keyboard, words.DEFAULT_KEYBOARD, "en-US"),
        timezone=given.checked("timezone", grammar.timezone, given.text("timezone") or _timezone),
        users=users,
        packages=tuple(
            given.checked("packages", grammar.package, name) for name in given.texts("packages", _MOST_PACKAGES)
        ),
        firmware=entry.firmware[0],
        ssh_passwords=password_good,
    )
    given.end()
    return spec, secrets, [*given.problems, *wrong]


def _name(given: Fields) -> str:
    asked = given.text("hostname")
    if not asked:
        given.wrong("hostname", "the hostname is missing", "give one")
        return ""
    found = len(given.problems)
    given.checked("hostname", _hostname, asked)
    name = asked.lower()
    return name if len(given.problems) > found else given.checked("hostname", grammar.hostname, name)


def _login(given: Fields, entry: OsEntry, hashed: Callable[[str], str]) -> tuple[tuple[UserSpec, ...], Secrets]:
    keys = [given.checked("sshkeys", grammar.ssh_key, key.strip()) for key in given.texts("sshkeys", _MOST_KEYS)]
    password = given.text("password")
    if not keys and not password:
        return (), Secrets()
    name = entry.default_user or LOGIN
    user = UserSpec(name, tuple(keys))
    if not password:
        return (user,), Secrets()
    if _CRYPT.fullmatch(password):
        return (user,), Secrets({name: password})
    found = len(given.problems)
    given.checked("password", grammar.password, password)
    return (user,), Secrets({name: hashed(password)}) if len(given.problems) == found else Secrets()


def _meant(given: Fields, name: str, meaning: Callable[[str], str], otherwise: str, example: str) -> str:
    asked = given.text(name)
    try:
        return meaning(asked)
    except ValueError:
        given.wrong(name, f"{asked[:60]!r} is not a language and region", f"like {example}")
        return otherwise

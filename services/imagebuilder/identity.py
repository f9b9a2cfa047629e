# SPDX-License-Identifier: Apache-2.0
"""What a guest is told about itself, checked before it is written anywhere."""

import re
from collections.abc import Callable, Iterator, Sequence

from services.common.contracts.errors import Problem
from services.common.contracts.guest_words import KEYBOARD, LOCALE, PACKAGE, USER, server_problem, url_problem
from services.common.contracts.quoting import quoted
from services.common.contracts.vm import Secrets, VmSpec
from services.imagebuilder.repositories import repository_problems

_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOSTNAME = re.compile(_LABEL)
_DOMAIN = re.compile(rf"(?=.{{1,190}}$)({_LABEL}\.)*{_LABEL}")
# Not -x or --x, which would be options of installers' commands.
_TIMEZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,31}(/[A-Za-z0-9_+-]{1,32}){0,2}")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=]{1,76}\n)+-----END CERTIFICATE-----\n?")
_LAYOUT = re.compile("whole|lvm|home")
_HASH = re.compile(r"\$[0-9a-z]+\$[./0-9A-Za-z$=,-]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
SCRIPT, CLOUD_CONFIG = "#!", "#cloud-config"


def hostname_problems(hostname: str) -> list[Problem]:
    """Why this can't be a hostname; empty when it can."""
    if _HOSTNAME.fullmatch(hostname):
        return []
    return [Problem("/hostname", f"{quoted(hostname)} is not a hostname", "letters, digits and -, at most 63")]


def identity_problems(spec: VmSpec, secrets: Secrets) -> list[Problem]:
    """Everything of a spec that no guest could use as it is. Secrets are named, never shown."""
    problems = hostname_problems(spec.hostname)
    problems += _word(_DOMAIN, "/domain", [spec.domain] if spec.domain else [], "a DNS domain")
    problems += _word(LOCALE, "/locale", [spec.locale], 'a UTF-8 locale like "en_US.UTF-8"')
    problems += _word(_TIMEZONE, "/timezone", [spec.timezone], 'a time zone like "Europe/Berlin"')
    problems += _word(KEYBOARD, "/keyboard", [spec.keyboard], "an XKB layout")
    problems += _word(PACKAGE, "/packages", spec.packages, "a package's name")
    problems += _judged(url_problem, "/mirror", [spec.mirror] if spec.mirror else [])
    problems += _judged(url_problem, "/proxy", [spec.proxy] if spec.proxy else [])
    problems += _judged(server_problem, "/ntp", spec.ntp)
    problems += _word(_PEM, "/ca_certificates", spec.ca_certificates, "one certificate in PEM form")
    problems += _word(_LAYOUT, "/layout", [spec.layout], "whole, lvm or home")
    problems += _word(USER, "/users", [user.name for user in spec.users], "a user's name")
    problems += _key_problems(spec)
    problems += repository_problems(spec)
    if not all(_HASH.fullmatch(text) for text in secrets.password_hashes.values()):
        problems.append(Problem("/users", "a password hash is not in crypt form", "use SHA-512-crypt ($6$...)"))
    if _SURROGATE.search(secrets.first_boot):
        problems.append(Problem("/first_boot", "half a character that UTF-8 can't hold", "give it as UTF-8 text"))
    if secrets.first_boot and not secrets.first_boot.startswith((SCRIPT, CLOUD_CONFIG)):
        problems.append(
            Problem("/first_boot", "neither a script nor cloud-config", f"begin it with {SCRIPT} or {CLOUD_CONFIG}")
        )
    return problems


def _key_problems(spec: VmSpec) -> Iterator[Problem]:
    """A key of two lines would be two keys, and one that begins with - an option of an installer's command."""
    for n, user in enumerate(spec.users):
        for k, key in enumerate(user.ssh_keys):
            if not key.strip() or not key.isprintable() or key.startswith("-"):
                detail = f"an SSH key of {quoted(user.name)} is not one line of printable text that begins with a type"
                yield Problem(f"/users/{n}/ssh_keys/{k}", detail, "give the one line of a .pub file")


def _word(pattern: re.Pattern[str], pointer: str, values: Sequence[str], what: str) -> list[Problem]:
    return [
        Problem(pointer, f"{quoted(value)} is not {what}", "correct it")
        for value in values
        if not pattern.fullmatch(value)
    ]


def _judged(judge: Callable[[str], str], pointer: str, values: Sequence[str]) -> list[Problem]:
    return [Problem(pointer, f"this one {problem}", "correct it") for value in values if (problem := judge(value))]

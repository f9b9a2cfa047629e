# SPDX-License-Identifier: Apache-2.0
"""What a guest is told about itself, checked before it is written anywhere."""

import re
from collections.abc import Sequence

from services.common.contracts.errors import Problem
from services.common.contracts.vm import Secrets, VmSpec

_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_DOMAIN = re.compile(r"([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_KEYBOARD = re.compile(r"[a-z][a-z0-9_,-]{0,31}")
_LOCALE = re.compile(r"(C|POSIX|[a-z]{2,3}_[A-Z]{2})\.UTF-8(@[a-z]+)?|C|POSIX")
_TIMEZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.:~=-]*", re.IGNORECASE)
_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~%/+-]*)?")
_SERVER = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:-]{0,252}")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=]{1,76}\n)+-----END CERTIFICATE-----\n?")
_LAYOUT = re.compile("whole|lvm|home")
_HASH = re.compile(r"\$[0-9a-z]+\$[./0-9A-Za-z$=,-]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
SCRIPT, CLOUD_CONFIG = "#!", "#cloud-config"


def hostname_problems(hostname: str) -> list[Problem]:
    """Why this can't be a hostname; empty when it can."""
    if _HOSTNAME.fullmatch(hostname):
        return []
    return [Problem("/hostname", f"{hostname!r} is not a hostname", "letters, digits and -, at most 63")]


def identity_problems(spec: VmSpec, secrets: Secrets) -> list[Problem]:
    """Everything of a spec that no guest could use as it is. Secrets are named, never shown."""
    problems = hostname_problems(spec.hostname)
    problems += _word(_DOMAIN, "/domain", [spec.domain] if spec.domain else [], "a DNS domain")
    problems += _word(_LOCALE, "/locale", [spec.locale], 'a UTF-8 locale like "en_US.UTF-8"')
    problems += _word(_TIMEZONE, "/timezone", [spec.timezone], 'a time zone like "Europe/Berlin"')
    problems += _word(_KEYBOARD, "/keyboard", [spec.keyboard], "an XKB layout")
    problems += _word(_PACKAGE, "/packages", spec.packages, "a package's name")
    problems += _word(_URL, "/mirror", [spec.mirror] if spec.mirror else [], "an http or https URL")
    problems += _word(_URL, "/proxy", [spec.proxy] if spec.proxy else [], "an http or https URL")
    problems += _word(_SERVER, "/ntp", spec.ntp, "a time server's name or address")
    problems += _word(_PEM, "/ca_certificates", spec.ca_certificates, "one certificate in PEM form")
    problems += _word(_LAYOUT, "/layout", [spec.layout], "whole, lvm or home")
    problems += _word(_USER, "/users", [user.name for user in spec.users], "a user's name")
    if not all(_HASH.fullmatch(text) for text in secrets.password_hashes.values()):
        problems.append(Problem("/users", "a password hash is not in crypt form", "use SHA-512-crypt ($6$...)"))
    if _SURROGATE.search(secrets.first_boot):
        problems.append(Problem("/first_boot", "half a character that UTF-8 can't hold", "give it as UTF-8 text"))
    if secrets.first_boot and not secrets.first_boot.startswith((SCRIPT, CLOUD_CONFIG)):
        problems.append(
            Problem("/first_boot", "neither a script nor cloud-config", f"begin it with {SCRIPT} or {CLOUD_CONFIG}")
        )
    return problems


def _word(pattern: re.Pattern[str], pointer: str, values: Sequence[str], what: str) -> list[Problem]:
    return [
        Problem(pointer, f"{value!r} is not {what}", "correct it") for value in values if not pattern.fullmatch(value)
    ]

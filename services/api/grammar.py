# SPDX-License-Identifier: Apache-2.0
"""What names, keys, packages and locales may look like: allow-lists, since all of it ends up in a guest's files.

Each check raises marshmallow's ValidationError with "what is wrong -> what would be right".
"""

import base64
import binascii
import re
from collections.abc import Callable
from difflib import get_close_matches
from functools import cache
from zoneinfo import available_timezones

from marshmallow import ValidationError

from services.common.contracts.datastores import NAME, NAME_FIX
from services.common.contracts.guest_words import (
    COMPONENT,
    KEY_NAME,
    KEYBOARD,
    LOCALE,
    PACKAGE,
    REPOSITORY,
    SUITE,
    USER,
    server_problem,
    url_problem,
)
from services.common.contracts.network_stacking import LINK_NAME
from services.common.contracts.package_keys import OPENPGP_FIX, key_problem

LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_SSH_TYPES = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
Check = Callable[[str], None]


def matching(pattern: str, what: str, fix: str) -> Check:
    """A check that the whole text matches."""
    compiled = re.compile(pattern)

    def check(text: str) -> None:
        if not compiled.fullmatch(text):
            raise ValidationError(f"{_short(text)} is not {what} -> {fix}")

    return check


vm_name = matching(LABEL, "a name", "1 to 63 of a-z, 0-9 and -, not at the ends")
hostname = matching(LABEL, "a hostname", "one DNS label: 1 to 63 of a-z, 0-9 and -; put the rest into domain")
datastore = matching(NAME.pattern, "a datastore's name", NAME_FIX)
object_name = matching(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?", "a name", "letters, digits, . _ and -")
user_name = matching(USER.pattern, "a user name", "1 to 32 of a-z, 0-9, _ and -, a letter first")
account_name = matching(
    r"[A-Za-z0-9](?:[A-Za-z0-9._@+-]{0,126}[A-Za-z0-9])?", "a user name", "letters, digits, . _ @ + -"
)
package = matching(PACKAGE.pattern, "a package name", "the name alone, as in the archive")
locale = matching(LOCALE.pattern, "a UTF-8 locale", "like de_DE.UTF-8")
repository = matching(REPOSITORY.pattern, "a source's name", "1 to 32 of a-z, 0-9 and -, not at the ends")
suite = matching(SUITE.pattern, "a suite", 'like "stable", or a directory that ends with /')
component = matching(COMPONENT.pattern, "a component", 'like "main"')
key_name = matching(
    KEY_NAME.pattern, "a key's name of apk", "the name of its file, as packages@example.org-5f0c.rsa.pub"
)
keyboard = matching(KEYBOARD.pattern, "a keyboard layout", "like us, de or fr-latin9")
mac = matching(r"(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}", "a MAC address", "like 52:54:00:12:34:56")
word = matching(r"[A-Za-z0-9](?:[A-Za-z0-9._:/-]{0,61}[A-Za-z0-9])?", "a word", "1 to 63 letters, digits and . _ : / -")
sha256 = matching(r"[0-9a-f]{64}", "a SHA-256", "64 hexadecimal digits, lower case")
interface_name = matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}", "an interface name", "at most 15 letters, digits, . _ -")
link_name = matching(LINK_NAME.pattern, "a link's name", "a letter, then up to 14 letters, digits, . _ and -")


def domain(text: str) -> None:
    """A DNS domain, without a dot at the end."""
    if len(text) > 190 or not re.fullmatch(rf"{LABEL}(?:\.{LABEL})*", text):
        raise ValidationError(f"{_short(text)} is not a domain -> like example.org, at most 190 characters")


def multicast_free(text: str) -> None:
    """A MAC a NIC can have."""
    mac(text)
    if int(text[:2], 16) & 1:
        raise ValidationError(f"{text} is a multicast MAC -> the first byte must be even, like 52:54:00:...")


def timezone(text: str) -> None:
    """A name of the tz database."""
    known = _timezones()
    if not re.fullmatch(r"[A-Za-z0-9_+-]{1,32}(?:/[A-Za-z0-9_+-]{1,32}){0,2}", text) or (known and text not in known):
        near = get_close_matches(text, known, 1)
        raise ValidationError(f"{_short(text)} is not a time zone -> {near[0] if near else 'like Europe/Berlin'}")


def ssh_key(text: str) -> None:
    """One line of an authorized_keys file: type, key, comment; no options."""
    parts = text.split(" ", 2)
    if not text.isprintable() or len(text) > 8192:
        raise ValidationError("not one line of printable text -> the one line of a .pub file")
    if len(parts) < 2 or parts[0] not in _SSH_TYPES:
        raise ValidationError("not an SSH public key -> the line of a .pub file, like ssh-ed25519 AAAA... you@there")
    try:
        blob = base64.b64decode(parts[1], validate=True)
    except binascii.Error as error:
        raise ValidationError("the key's base64 is broken -> copy the whole line of the .pub file") from error
    length = int.from_bytes(blob[:4])
    if blob[4 : 4 + length] != parts[0].encode() or len(blob) < 4 + length + 32:
        raise ValidationError(f"the key is cut short or not of type {parts[0]} -> copy the whole line of the .pub file")


def label_filter(text: str) -> None:
    """A label's key and value, as a list is filtered by them."""
    key, equals, _ = text.partition("=")
    if not equals:
        raise ValidationError(f"{_short(text)} is not a label -> write it as key=value")
    word(key)


def password(text: str) -> None:
    """A password: printable, 8 to 256 characters."""
    if not 8 <= len(text) <= 256:
        raise ValidationError("a password has 8 to 256 characters -> choose a longer one")
    if not text.isprintable():
        raise ValidationError("a password has printable characters only -> leave out line ends and control characters")


def first_boot(text: str) -> None:
    """A script or a cloud-config, at most 64 KiB."""
    if not text.startswith(("#!", "#cloud-config\n")):
        raise ValidationError("neither a script nor a cloud-config -> begin with #!/bin/sh or #cloud-config")
    if len(text.encode()) > 65536:
        raise ValidationError("larger than 64 KiB -> fetch the large part from a server of yours")


def url(text: str) -> None:
    """An http(s) URL without credentials."""
    if not re.fullmatch(r"https?://[A-Za-z0-9.\[\]:_-]+(?:/[!-~]*)?", text) or len(text) > 2048:
        raise ValidationError(f"{_short(text)} is not a URL -> http:// or https://, without user and password")


def guest_url(text: str) -> None:
    """A URL that a guest is told: http(s), a host, a path; not shown again, since people put passwords into it."""
    if problem := url_problem(text):
        raise ValidationError(f"the URL {problem} -> like http://mirror.example.org/debian")


def public_key(text: str) -> None:
    """A key that signs packages."""
    if problem := key_problem(text):
        raise ValidationError(f"{problem} -> {OPENPGP_FIX}")


def server(text: str) -> None:
    """A server's name or address."""
    if problem := server_problem(text):
        raise ValidationError(f"{_short(text)} {problem} -> like ntp.example.org or 192.0.2.123")


@cache
def _timezones() -> frozenset[str]:
    return frozenset(available_timezones())


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")

# SPDX-License-Identifier: Apache-2.0
"""What Windows calls the words of a spec, and what its set-up can't be asked for.

Windows takes no password hash, so a user with a password is refused: users have SSH keys, and a password that the guest
makes up and nobody knows. Set-up itself needs a password to log on once. It is derived from the vm's own secret (the
same input gives the same bytes), stands in the answer file only, and the first logon's script replaces it and disables
both accounts before it does anything else.
"""

import hmac
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import yaml

from services.common.catalog.entries import OsEntry
from services.common.catalog.loading import FAMILIES
from services.common.contracts.errors import Problem
from services.common.contracts.quoting import quoted
from services.common.contracts.vm import FirstBoot, Layout, Secrets, UserSpec, VmSpec, first_boot_kind
from services.imagebuilder.identity import SCRIPT

SETUP_ACCOUNT = "innkeeper-setup"
_BUILT_IN = {"administrator", "guest", "defaultaccount", "wdagutilityaccount", "system", SETUP_ACCOUNT}
_CLIENTS = ("10", "11")
_DASHES = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----")


def particulars(entry: OsEntry, spec: VmSpec, secrets: Secrets) -> tuple[dict[str, Any], list[Problem]]:
    """Windows's own words, the one-time passwords and the first logon's tasks."""
    problems = [*_problems(entry, spec, secrets)]
    if problems:
        return {}, problems
    words = _words()
    return {
        "input_locale": words["keyboards"][spec.keyboard],
        "user_locale": words["locales"][spec.locale],
        "time_zone": _time_zones()[spec.timezone],
        # Server's media have Standard with a desktop second; a client's medium has one edition.
        "image_index": 1 if entry.version in _CLIENTS else 2,
        "setup_account": SETUP_ACCOUNT,
        "setup_password": _once(secrets, SETUP_ACCOUNT),
        "administrator_password": _once(secrets, "Administrator"),
        "accounts": [_account(user) for user in spec.users],
        "proxy_server": spec.proxy.removeprefix("http://").partition("/")[0],
        "certificates": [_der(pem) for pem in spec.ca_certificates],
        "reports": spec.guest_agent,
        "powershell": b64encode(secrets.first_boot.encode()).decode(),
    }, []


@lru_cache
def _words() -> Mapping[str, Any]:
    text = (FAMILIES / "windows" / "words.yaml").read_bytes()
    words: Mapping[str, Any] = yaml.safe_load(text)
    return words


@lru_cache
def _time_zones() -> Mapping[str, str]:
    """IANA's name -> Windows's."""
    return {name: zone for zone, names in _words()["timezones"].items() for name in names}


def _once(secrets: Secrets, account: str) -> str:
    digest = hmac.digest(secrets.guest_token.encode(), f"one-time password of {account}".encode(), "sha256")
    # The end is for Windows's rules of complexity.
    return urlsafe_b64encode(digest[:24]).decode() + "aA1!"


def _account(user: UserSpec) -> dict[str, Any]:
    return {"name": user.name, "administrator": user.sudo, "keys": list(user.ssh_keys)}


def _der(pem: str) -> str:
    """The base64 between a certificate's dashes."""
    begin, end = _DASHES
    return pem.replace(begin, "").replace(end, "").replace("\n", "")


def _problems(entry: OsEntry, spec: VmSpec, secrets: Secrets) -> Iterator[Problem]:
    name = entry.display_name
    if spec.layout != Layout.WHOLE:
        yield Problem("/layout", f"{name} has no layout {quoted(spec.layout)}", "whole")
    for pointer, value, known in (
        ("/keyboard", spec.keyboard, _words()["keyboards"]),
        ("/locale", spec.locale, _words()["locales"]),
        ("/timezone", spec.timezone, _time_zones()),
    ):
        if value not in known:
            yield Problem(pointer, f"no word of Windows is known for {quoted(value)}", "choose a more common one")
    if spec.packages:
        yield Problem("/packages", "Windows's set-up installs no packages", "install them in a first_boot script")
    if spec.mirror:
        yield Problem("/mirror", "Windows is not installed from a mirror", "leave it out")
    if spec.proxy.startswith("https:"):
        yield Problem("/proxy", "Windows's own HTTP takes a proxy by http alone", "give the proxy's http URL")
    yield from _secret_problems(secrets)
    for user in spec.users:
        yield from _user_problems(user, secrets)


def _secret_problems(secrets: Secrets) -> Iterator[Problem]:
    if not secrets.guest_token:
        detail = "set-up needs a one-time password, and this vm has no secret to make it from"
        yield Problem("/os", detail, "create the vm anew")
    if secrets.first_boot and first_boot_kind(secrets.first_boot) != FirstBoot.POWERSHELL:
        fix = f'a PowerShell script whose first line is "{SCRIPT}powershell"'
        yield Problem("/first_boot", "Windows runs neither shell scripts nor cloud-config", fix)


def _user_problems(user: UserSpec, secrets: Secrets) -> Iterator[Problem]:
    if user.name in _BUILT_IN or len(user.name) > 20:
        detail = f"{quoted(user.name)} is built in, or longer than a Windows account's name"
        yield Problem("/users", detail, "another name of at most 20 characters")
    if user.name in secrets.password_hashes:
        detail = f"Windows takes no password hash (user {user.name})"
        yield Problem("/users", detail, "leave the password out and give SSH keys")
    for key in user.ssh_keys:
        if not key.isprintable():
            yield Problem("/users", f"an SSH key of {user.name} is not one line", "give each key on a line of its own")

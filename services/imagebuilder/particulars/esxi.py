# SPDX-License-Identifier: Apache-2.0
"""What ESXi's kickstart takes of a spec, and what ESXi does not have.

The installer takes one password hash, root's. Nobody's password is root's hash when none was asked for: its digest is
all zeros. Other users are made at the first boot with a password that the host makes up and nobody knows; they log in
by SSH keys. Everything but the network goes through one base64 JSON value into a Python section.
"""

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from services.common.catalog.entries import OsEntry
from services.common.contracts.errors import Problem
from services.common.contracts.quoting import quoted
from services.common.contracts.vm import Layout, Secrets, UserSpec, VmSpec

_ROOT = "root"
_BUILT_IN = {"dcui", "vpxuser", "daemon", "nobody", "nfsnobody"}
_LOCKED = "$6$innkeeper$" + "." * 86
_SHELL = "#!/bin/sh"
_LOCALES = ("C", "POSIX", "C.UTF-8", "en_US.UTF-8")
_UTC = ("Etc/UTC", "UTC")
# XKB's layout -> what the kickstart command `keyboard` calls it.
_KEYBOARDS = {
    "us": "US Default",
    "gb": "United Kingdom",
    "de": "German",
    "ch": "Swiss German",
    "fr": "French",
    "be": "Belgian",
    "es": "Spanish",
    "it": "Italian",
    "pt": "Portuguese",
    "br": "Brazilian",
    "dk": "Danish",
    "no": "Norwegian",
    "se": "Swedish",
    "fi": "Finnish",
    "pl": "Polish",
    "gr": "Greek",
    "tr": "Turkish",
    "ru": "Russian",
    "jp": "Japanese",
}


def particulars(entry: OsEntry, spec: VmSpec, secrets: Secrets) -> tuple[dict[str, Any], list[Problem]]:
    """The installer's own words and the tasks of the first boot."""
    problems = [*_problems(entry, spec), *_boot_problems(secrets)]
    for user in spec.users:
        problems += _user_problems(user, secrets)
    if problems:
        return {}, problems
    tasks = {
        "hostname": spec.hostname,
        "domain": spec.domain,
        "ntp": list(spec.ntp),
        "users": [{"name": u.name, "administrator": u.sudo, "keys": list(u.ssh_keys)} for u in spec.users],
        "first_boot": b64encode(secrets.first_boot.encode()).decode(),
        "report_url": secrets.report_url,
        "report_token": secrets.guest_token if secrets.report_url else "",
    }
    return {
        "keyboard_name": _KEYBOARDS[spec.keyboard],
        "root_password": secrets.password_hashes.get(_ROOT, _LOCKED),
        "tasks": b64encode(json.dumps(tasks).encode()).decode(),
    }, []


def _problems(entry: OsEntry, spec: VmSpec) -> Iterator[Problem]:
    name, leave = entry.display_name, "leave it out"
    if spec.keyboard not in _KEYBOARDS:
        yield Problem(
            "/keyboard", f"{name} has no layout for {quoted(spec.keyboard)}", f"one of: {', '.join(_KEYBOARDS)}"
        )
    if spec.locale not in _LOCALES:
        yield Problem("/locale", f"{name} speaks no {quoted(spec.locale)}", "en_US.UTF-8")
    if spec.timezone not in _UTC:
        yield Problem("/timezone", f"{name} always runs in UTC", "Etc/UTC")
    if spec.layout != Layout.WHOLE:
        yield Problem("/layout", f"{name} divides its disk as it wants", "whole")
    if spec.packages:
        yield Problem("/packages", f"{name} has no packages to install by name", leave)
    if spec.mirror:
        yield Problem("/mirror", f"{name} is not installed from a mirror", leave)
    if spec.proxy:
        yield Problem("/proxy", f"{name} fetches nothing while it is set up", leave)
    if spec.ca_certificates:
        yield Problem("/ca_certificates", f"{name}'s kickstart has no word for them", "add them by vCenter")


def _boot_problems(secrets: Secrets) -> Iterator[Problem]:
    if secrets.first_boot and secrets.first_boot.partition("\n")[0].rstrip() != _SHELL:
        detail = "ESXi runs neither cloud-config nor another shell"
        yield Problem("/first_boot", detail, f"a script whose first line is {_SHELL}")


def _user_problems(user: UserSpec, secrets: Secrets) -> Iterator[Problem]:
    if user.name in _BUILT_IN:
        yield Problem("/users", f"{quoted(user.name)} is built in", "another name")
    hashed = secrets.password_hashes.get(user.name, "")
    if hashed and user.name != _ROOT:
        detail = f"ESXi takes a password hash for root alone (not {user.name})"
        yield Problem("/users", detail, "leave the password out and give SSH keys")
    elif hashed and not hashed.startswith("$6$"):
        yield Problem("/users", "root's password hash is not SHA-512-crypt", "use SHA-512-crypt ($6$...)")
    if user.ssh_keys and not user.sudo and user.name != _ROOT:
        detail = f"ESXi gives a shell to administrators only (user {user.name})"
        yield Problem("/users", detail, "leave the SSH keys out, or allow sudo")
    if not all(key.isprintable() for key in user.ssh_keys):
        yield Problem("/users", f"an SSH key of {user.name} is not one line", "give each key on a line of its own")

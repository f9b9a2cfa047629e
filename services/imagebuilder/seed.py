# SPDX-License-Identifier: Apache-2.0
"""The NoCloud seed of one vm: pure, from its spec and secrets to the files on its CD-ROM."""

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping
from textwrap import wrap
from typing import Any

from services.common.catalog import OsEntry, refused_problems, unsupported_problems
from services.common.catalog.entries import Agent
from services.common.contracts.errors import Invalid
from services.common.contracts.vm import Secrets, VmSpec
from services.imagebuilder.dialects import DIALECTS
from services.imagebuilder.documents import render
from services.imagebuilder.identity import CLOUD_CONFIG, SCRIPT, identity_problems
from services.imagebuilder.masters import guest_agent
from services.imagebuilder.particulars import particulars
from services.imagebuilder.repositories import repository_files, repository_values
from services.imagebuilder.syntaxes import Raw

USER_DATA = "user-data"
_LOCALES_AT_HAND = ("C", "POSIX", "C.UTF-8", "en_US.UTF-8")
# The user's own cloud-config adds to ours: lists are joined, what we have said stays.
_MERGE = "list(append)+dict(no_replace,recurse_list,recurse_dict)+str()"


def seed_files(entry: OsEntry, vm_id: str, spec: VmSpec, secrets: Secrets) -> dict[str, bytes]:
    """Path in the seed -> content. Invalid names every field this system can't have."""
    problems = [*identity_problems(spec, secrets), *unsupported_problems(entry, spec.network)]
    problems += refused_problems(entry, spec, secrets)
    # A family's own words are looked up only for what is a word at all.
    own, peculiar = particulars(entry, spec, secrets) if not problems else ({}, [])
    if problems := [*problems, *peculiar]:
        raise Invalid(f"{entry.display_name} can't be set up as asked", problems)
    values = seed_values(entry, vm_id, spec, secrets) | own
    for variable, dialect in entry.fragments.items():
        values[variable] = Raw(DIALECTS[dialect](spec.network, spec.hostname).decode())
    for variable, name in entry.payloads.items():
        payload = render(entry.family, name, values)
        if secrets.first_boot and name == f"{USER_DATA}.j2":
            payload = _with_first_boot(payload, secrets.first_boot)
        values[variable] = b64encode(payload).decode()
    files = {path: render(entry.family, name, values) for path, name in entry.seed.items()}
    for path, dialect in entry.network.items():
        files[path] = DIALECTS[dialect](spec.network, spec.hostname)
    for path, name in entry.seed.items():
        if secrets.first_boot and name == f"{USER_DATA}.j2":
            files[path] = _with_first_boot(files[path], secrets.first_boot)
    return files


def seed_values(entry: OsEntry, vm_id: str, spec: VmSpec, secrets: Secrets) -> dict[str, Any]:
    """What templates may use: plain values only."""
    return {
        "vm_id": vm_id,
        "hostname": spec.hostname,
        "domain": spec.domain,
        "fqdn": f"{spec.hostname}.{spec.domain}" if spec.domain else spec.hostname,
        "locale": spec.locale,
        "keyboard": spec.keyboard,
        "timezone": spec.timezone,
        "users": _users(spec, secrets),
        "password_login": bool(secrets.password_hashes) and spec.ssh_passwords,
        "packages": [*spec.packages, *(["console-setup"] if spec.keyboard != "us" and entry.debian_console else [])],
        "repositories": repository_values(entry, spec),
        "files": _files(entry, spec, secrets),
        "commands": _commands(entry, spec),
        "shell_agent": guest_agent.shell_script().decode() if entry.agent == Agent.SHELL and spec.guest_agent else "",
        "layout": spec.layout,
        "firmware": spec.firmware,
        "mirror": spec.mirror,
        "proxy": spec.proxy,
        "ntp": list(spec.ntp),
        "ca_certificates": list(spec.ca_certificates),
        "first_boot": secrets.first_boot,
        "report_url": secrets.report_url,
        "report_token": secrets.guest_token if secrets.report_url else "",
        "os": entry.name,
        "version": entry.version,
    }


def _users(spec: VmSpec, secrets: Secrets) -> list[dict[str, Any]]:
    users = []
    for user in spec.users:
        password = secrets.password_hashes.get(user.name)
        entry: dict[str, Any] = {"name": user.name, "shell": "/bin/bash", "lock_passwd": password is None}
        if password is not None:
            entry["passwd"] = password
        if user.sudo:
            entry["sudo"] = "ALL=(ALL) NOPASSWD:ALL"
        if user.ssh_keys:
            entry["ssh_authorized_keys"] = list(user.ssh_keys)
        users.append(entry)
    return users


def _files(entry: OsEntry, spec: VmSpec, secrets: Secrets) -> list[dict[str, Any]]:
    files: list[dict[str, Any]] = []
    if spec.keyboard != "us" and entry.debian_console:
        # console-setup, installed then, takes its answer from here.
        files.append(_file("/etc/default/keyboard", f'XKBMODEL="pc105"\nXKBLAYOUT="{spec.keyboard}"\n'.encode()))
    if spec.locale not in _LOCALES_AT_HAND and entry.debian_console:
        # Debian's locale-gen makes what this file names, whatever cloud-init asks it for.
        files.append(_file("/etc/locale.gen", f"en_US.UTF-8 UTF-8\n{spec.locale} UTF-8\n".encode()))
    files += [_file(path, text.encode()) for path, text in repository_files(entry, spec)]
    if entry.agent == Agent.SEEDED and spec.guest_agent:
        files.append(_file(guest_agent.PYZ_PATH, guest_agent.pyz(), "0755"))
        files.append(_file(guest_agent.UNIT_PATH, guest_agent.UNIT.encode()))
    if entry.agent in (Agent.SEEDED, Agent.BAKED) and spec.guest_agent and secrets.report_url:
        told = json.dumps({"url": secrets.report_url, "token": secrets.guest_token})
        files.append(_file(guest_agent.CONFIG_PATH, told.encode(), "0600"))
    return files


def _file(path: str, content: bytes, mode: str = "0644") -> dict[str, Any]:
    return {"path": path, "permissions": mode, "encoding": "b64", "content": b64encode(content).decode()}


def _commands(entry: OsEntry, spec: VmSpec) -> list[list[str]]:
    if entry.agent == Agent.SEEDED and spec.guest_agent:
        return [["systemctl", "daemon-reload"], ["systemctl", "enable", "--now", guest_agent.UNIT_NAME]]
    if entry.agent == Agent.BAKED and not spec.guest_agent:
        return [["systemctl", "disable", "--now", guest_agent.UNIT_NAME]]
    return []


def _with_first_boot(ours: bytes, first_boot: str) -> bytes:
    """Both parts as MIME. They are base64, so that the boundary can't occur in them; the same bytes each time."""
    kind = "text/x-shellscript" if first_boot.startswith(SCRIPT) else "text/cloud-config"
    theirs = first_boot.encode()
    boundary = "==" + hashlib.sha256(ours + b"\0" + theirs).hexdigest()
    parts = [("text/cloud-config", "innkeeper.yaml", ours, {}), (kind, "first-boot", theirs, _merge(first_boot))]
    lines = [f'Content-Type: multipart/mixed; boundary="{boundary}"', "MIME-Version: 1.0", ""]
    for type_, name, content, headers in parts:
        lines += [f"--{boundary}", f'Content-Type: {type_}; charset="utf-8"', "Content-Transfer-Encoding: base64"]
        lines += [f'Content-Disposition: attachment; filename="{name}"', *(f"{k}: {v}" for k, v in headers.items()), ""]
        lines += [*wrap(b64encode(content).decode(), 76), ""]
    return ("\n".join([*lines, f"--{boundary}--", ""])).encode("ascii")


def _merge(first_boot: str) -> Mapping[str, str]:
    return {"Merge-Type": _MERGE} if first_boot.startswith(CLOUD_CONFIG) else {}

# SPDX-License-Identifier: Apache-2.0
"""What of a spec a row declares its system can't have: refused by field, never dropped silently."""

from collections.abc import Iterator
from dataclasses import MISSING, fields
from typing import Any

from services.common.catalog.entries import OsEntry
from services.common.catalog.source_refusals import source_problems
from services.common.contracts.errors import Problem
from services.common.contracts.quoting import quoted
from services.common.contracts.vm import FirstBoot, Secrets, VmSpec, first_boot_kind

CLOUD_CONFIG = "cloud_config"  # a first boot that only cloud-init understands
REFUSABLE = (
    "bonds",
    "ca_certificates",
    CLOUD_CONFIG,
    "domain",
    "first_boot",
    "keyboard",
    "layout",
    "locale",
    "mirror",
    "ntp",
    "packages",
    "proxy",
    "repositories",
    "ssh_passwords",
    "timezone",
    "users",
    "vlans",
)
_DEFAULTS: dict[str, Any] = {f.name: f.default for f in fields(VmSpec) if f.default is not MISSING}


def refused_problems(entry: OsEntry, spec: VmSpec, secrets: Secrets) -> list[Problem]:
    """A problem for each field that was asked for, that is, that differs from its default; and a firmware it hasn't."""
    problems = []
    if spec.firmware not in entry.firmware:
        detail = f"{entry.display_name} does not boot by {quoted(spec.firmware)}"
        problems.append(Problem("/firmware", detail, f"one of: {', '.join(entry.firmware)}"))
    problems += [] if entry.any_card else _without_mac(entry, spec)
    problems += source_problems(entry, spec)
    return problems + [
        Problem(*_sentence(entry, name, why)) for name, why in entry.refuses.items() if _asked(name, spec, secrets)
    ]


def _without_mac(entry: OsEntry, spec: VmSpec) -> Iterator[Problem]:
    for index, nic in enumerate(spec.nics):
        if not nic.mac:
            detail = f"{entry.display_name} finds its network card by its MAC address, which is missing"
            yield Problem(f"/networks/{index}/mac", detail, 'give it, like "52:54:00:01:02:03"')


def _sentence(entry: OsEntry, name: str, why: str) -> tuple[str, str, str]:
    if name == CLOUD_CONFIG:
        return "/first_boot", f"{entry.display_name}: {why}", "give a script that begins with #!"
    return f"/{name}", f"{entry.display_name}: {why}", "leave it out, or choose another os"


def _asked(name: str, spec: VmSpec, secrets: Secrets) -> bool:
    if name == CLOUD_CONFIG:
        return first_boot_kind(secrets.first_boot) == FirstBoot.CLOUD_CONFIG
    if name == "first_boot":
        return bool(secrets.first_boot)
    return bool(getattr(spec, name) != _DEFAULTS[name])

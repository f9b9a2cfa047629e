# SPDX-License-Identifier: Apache-2.0
"""What of a spec each row of the catalogue can have, found by asking each for it: a table of docs/images.md."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from services.common.catalog import OsEntry, systems
from services.common.contracts.errors import Invalid
from services.common.contracts.vm import Firmware, FirstBoot, Layout, Repository, Secrets, UserSpec
from services.imagebuilder.seed import seed_files
from tests.support.imaging import COLUMNS, VM_ID, a_spec
from tests.support.package_sources import a_source

_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ops@desk"
_HASH = "$6$salt$aVeryLongHash./0"
_PEM = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIU\n-----END CERTIFICATE-----\n"
_SCRIPTS = {
    FirstBoot.SCRIPT: "#!/bin/sh\ntrue\n",
    FirstBoot.CLOUD_CONFIG: "#cloud-config\nfinal_message: up\n",
}


@dataclass(frozen=True)
class Wish:
    """One field of a spec with a value that is not its default."""

    changes: Mapping[str, Any]
    hashes: Mapping[str, str]
    first_boot: str = ""


def _wish(first_boot: str = "", hashes: Mapping[str, str] | None = None, **changes: Any) -> Wish:
    return Wish(changes, hashes or {}, first_boot)


WISHES: Mapping[str, Wish] = {
    "domain": _wish(domain="example.org"),
    "locale": _wish(locale="de_DE.UTF-8"),
    "keyboard": _wish(keyboard="de"),
    "timezone": _wish(timezone="Europe/Berlin"),
    "users, keys": _wish(users=(UserSpec("ops", (_KEY,)), UserSpec("dev", (_KEY,)))),
    "passwords": _wish(users=(UserSpec("ops", (_KEY,)),), hashes={"ops": _HASH}),
    "no sudo": _wish(users=(UserSpec("ops", (_KEY,), sudo=False),)),
    "packages": _wish(packages=("vim",)),
    "lvm": _wish(layout=Layout.LVM),
    "home": _wish(layout=Layout.HOME),
    "bios": _wish(firmware=Firmware.BIOS),
    "uefi": _wish(firmware=Firmware.UEFI),
    "mirror": _wish(mirror="http://mirror.example.org/os"),
    "proxy": _wish(proxy="http://proxy.example.org:3128"),
    "ntp": _wish(ntp=("ntp.example.org",)),
    "certificates": _wish(ca_certificates=(_PEM,)),
    "repositories": _wish(
        repositories=(Repository("tools", "https://packages.example.org/x", ""),)  # in each row's own words, below
    ),
    "script": _wish(_SCRIPTS[FirstBoot.SCRIPT]),
    "cloud-config": _wish(_SCRIPTS[FirstBoot.CLOUD_CONFIG]),
}
_AGENTS = {"": "none", "baked": "in the image", "seeded": "installed", "shell": "installed, in shell"}


def wishes() -> tuple[list[Sequence[str]], list[Sequence[str]]]:
    """Rows of (systems, agent, a mark a wish), and of (systems, wish, why not): systems that answer alike together."""
    alike: dict[tuple[str, ...], list[OsEntry]] = {}
    for _, entry in sorted(systems().items()):
        alike.setdefault((entry.family, entry.agent, *(_why_not(entry, w) for w in WISHES.values())), []).append(entry)
    marks: list[Sequence[str]] = []
    reasons: list[Sequence[str]] = []
    for (_, agent, *answers), entries in alike.items():
        names = " ".join(f"`{entry.name}`" for entry in entries)
        marks.append([names, _AGENTS[agent], *("yes" if not why else "422" for why in answers)])
        reasons += [[names, *reason] for reason in _together(answers)]
    return marks, reasons


def _why_not(entry: OsEntry, wish: Wish) -> str:
    """ "" where the row has it; else the problems, without the row's own name. Windows's scripts are PowerShell."""
    bare = {"users": (), "domain": "", "nics": COLUMNS["N1-one-dhcp"].nics}
    firmware = Firmware.BIOS if Firmware.BIOS in entry.firmware else Firmware.UEFI
    spec = a_spec(os=entry.name, **{"firmware": firmware, **bare, **wish.changes})
    spec = replace(spec, repositories=tuple(a_source(entry, one.name, one.url) for one in spec.repositories))
    own = wish.first_boot.replace("#!/bin/sh\ntrue", "#!powershell\nGet-Date") if entry.family == "windows" else ""
    secrets = Secrets(dict(wish.hashes), own or wish.first_boot, guest_token="a-token-of-this-vm")
    try:
        seed_files(entry, VM_ID, spec, secrets)
    except Invalid as refused:
        return "; ".join(f"`{problem.pointer}`: {_short(entry, problem.detail)}" for problem in refused.problems)
    return ""


def _short(entry: OsEntry, detail: str) -> str:
    name = entry.display_name
    return detail.removeprefix(f"{name}: ").replace(f"{name}'s ", "its ").replace(name, "it")


def _together(answers: Sequence[str]) -> Iterator[Sequence[str]]:
    by_reason: dict[str, list[str]] = {}
    for name, why in zip(WISHES, answers, strict=True):
        if why:
            by_reason.setdefault(why, []).append(name)
    return ((", ".join(names), why) for why, names in by_reason.items())

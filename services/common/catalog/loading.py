# SPDX-License-Identifier: Apache-2.0
"""Reads families/<family>/{os.yaml,*.j2} once and checks it whole: every problem in one message, with file and key."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from services.common.catalog.entries import LINK_FIELDS, Agent, Delivery, MasterPlan, OsEntry, Packages, Reports
from services.common.catalog.refusals import REFUSABLE
from services.common.contracts.codec import load
from services.common.contracts.devices import DISKS, NICS, TPMS, Devices

FAMILIES = Path(__file__).parent / "families"
# libyaml, where PyYAML was built with it, takes a tenth of the time: three services read all of it as they start.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FILLED = ("name", "family")  # known from where the row stands
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "delivery": (Delivery.CLOUD_IMAGE, Delivery.DIRECT_KERNEL, Delivery.INSTALLER),
    "arch": ("x86_64",),
    "agent": (Agent.BAKED, Agent.SEEDED, Agent.SHELL, ""),
    "repositories": (Packages.APT, Packages.YUM, Packages.ZYPP, Packages.ANSWERS, Packages.APK, ""),
    "reports": (Reports.PORT, Reports.HTTPS),
}


class CatalogError(Exception):
    """What is wrong with the catalogue, all of it."""


@dataclass(frozen=True)
class Catalogue:
    """Every row by name, every template by (family, name)."""

    systems: Mapping[str, OsEntry]
    templates: Mapping[tuple[str, str], str]


@dataclass
class _Reading:
    systems: dict[str, OsEntry] = field(default_factory=dict)
    templates: dict[tuple[str, str], str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def load_catalogue(families: Path = FAMILIES) -> Catalogue:
    """The whole catalogue; CatalogError lists every problem."""
    reading = _Reading()
    for folder in sorted(p for p in families.iterdir() if p.is_dir()):
        _read_family(folder, reading)
    if reading.problems:
        raise CatalogError("the catalogue is not usable: " + "; ".join(reading.problems))
    return Catalogue(MappingProxyType(reading.systems), MappingProxyType(reading.templates))


@lru_cache
def _catalogue() -> Catalogue:
    return load_catalogue()


def systems() -> Mapping[str, OsEntry]:
    """Every operating system by name."""
    return _catalogue().systems


def template(family: str, name: str) -> str:
    """The text of a family's template; the catalogue was checked, so a row's template exists."""
    return _catalogue().templates[family, name]


def _read_family(folder: Path, reading: _Reading) -> None:
    where = f"{folder.name}/os.yaml"
    try:
        document = yaml.load((folder / "os.yaml").read_bytes(), Loader=_LOADER)
        rows = document["systems"]
        defaults = document.get("defaults", {})
        items = list(rows.items())
    except FileNotFoundError:
        reading.problems.append(f"{where}: missing")
        return
    except (yaml.YAMLError, TypeError, KeyError, AttributeError) as error:
        reading.problems.append(f"{where}: not a mapping with the key `systems`: {error}")
        return
    reading.problems += [f"{where}: unknown key {key!r}" for key in set(document) - {"systems", "defaults"}]
    for file in sorted(folder.glob("*.j2")):
        reading.templates[folder.name, file.name] = file.read_text(encoding="utf-8")
    for name, row in items:
        at = f"{where}: systems.{name}"
        if not isinstance(row, dict) or not isinstance(defaults, dict):
            reading.problems.append(f"{at}: not a mapping")
        elif name in reading.systems:
            reading.problems.append(f"{at}: the name is taken by family {reading.systems[name].family}")
        else:
            _read_row(folder.name, name, {**defaults, **row}, at, reading)


def _read_row(family: str, name: str, row: dict[str, Any], at: str, reading: _Reading) -> None:
    known = {f.name for f in fields(OsEntry)} - set(_FILLED)
    required = {f.name for f in fields(OsEntry) if f.default is MISSING and f.default_factory is MISSING}
    found = [f"{at}.{key}: unknown key" for key in sorted(set(row) - known)]
    found += [f"{at}.{key}: missing" for key in sorted(required - set(_FILLED) - set(row))]
    for key, choices in _CHOICES.items():
        if key in row and row[key] not in choices:
            found.append(f"{at}.{key}: {row[key]!r} is none of {', '.join(c for c in choices if c)}")
    found += _structure_problems(family, row, at, reading)
    if not found:
        try:
            reading.systems[name] = load(OsEntry, {**row, "name": name, "family": family})
        except ValueError as error:
            found.append(f"{at}: {error}")
    reading.problems += found


def _structure_problems(family: str, row: dict[str, Any], at: str, reading: _Reading) -> list[str]:
    found = [
        f"{at}.{key}: {row[key]!r} is not a whole number"
        for key in ("min_memory_mib", "min_disk_gib", "min_vcpus")
        if not isinstance(row.get(key, 0), int) or row.get(key, 0) < 0
    ]
    for key in ("seed", "payloads", "network", "fragments", "media", "refuses"):
        value = row.get(key, {})
        if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
            found.append(f"{at}.{key}: not a mapping of file names")
        elif key in ("seed", "payloads"):
            missing = [t for t in value.values() if (family, t) not in reading.templates]
            found += [f"{at}.{key}: no template {name!r} in {family}/" for name in missing]
        elif key == "refuses":
            found += [f"{at}.refuses.{name}: unknown" for name in sorted(set(value) - set(REFUSABLE))]
    found += _master_problems(family, row.get("master"), at, reading)
    found += _device_problems(row.get("devices", {}), at)
    unsupported = row.get("unsupported", [])
    if not isinstance(unsupported, list) or set(unsupported) - set(LINK_FIELDS):
        found.append(f"{at}.unsupported: {unsupported!r}; known are {', '.join(LINK_FIELDS)}")
    packages = row.get("packages", [])
    if not isinstance(packages, list) or not all(isinstance(name, str) for name in packages):
        found.append(f"{at}.packages: {packages!r} is no list of names")
    if row.get("source") == "media" and not row.get("needs_media"):
        found.append(f"{at}.needs_media: missing: where to get the media")
    return found


def _device_problems(devices: Any, at: str) -> list[str]:
    if not isinstance(devices, dict) or set(devices) - {f.name for f in fields(Devices)}:
        return [f"{at}.devices: not a mapping with disk, nic, tpm, secure_boot and cx16"]
    switch = (True, False)
    known: Mapping[str, tuple[object, ...]]
    known = {"disk": DISKS, "nic": NICS, "tpm": TPMS, "secure_boot": switch, "cx16": switch}
    return [
        f"{at}.devices.{key}: {value!r} is none of {', '.join(str(choice) for choice in known[key] if choice != '')}"
        for key, value in devices.items()
        if not any(value is choice or (isinstance(value, str) and value == choice) for choice in known[key])
    ]


def _master_problems(family: str, plan: Any, at: str, reading: _Reading) -> list[str]:
    if plan is None:
        return []
    menus = plan.get("menus", {}) if isinstance(plan, dict) else None
    if not isinstance(menus, dict) or set(plan) - {f.name for f in fields(MasterPlan)}:
        return [f"{at}.master: not a mapping with answers, size_kib, menus, edits and efi"]
    edits = plan.get("edits", {})
    if not isinstance(edits, dict) or not all("=" in str(added).strip("=") for added in edits.values()):
        return [f"{at}.master.edits: not a mapping of paths to key=words"]
    paths = [path for path in (plan.get("answers", ""), plan.get("efi", ""), *menus, *edits) if path != ""]
    found = [f"{at}.master: {path!r} is no path on the medium" for path in paths if not str(path).startswith("/")]
    size = plan.get("size_kib", MasterPlan.size_kib)
    if not isinstance(size, int) or size <= 0 or size % 4:
        found.append(f"{at}.master.size_kib: {size!r} is no multiple of 4")
    missing = [name for name in menus.values() if (family, name) not in reading.templates]
    return found + [f"{at}.master.menus: no template {name!r} in {family}/" for name in missing]

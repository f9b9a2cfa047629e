# SPDX-License-Identifier: Apache-2.0
"""An agent's configuration file, checked whole: every problem in one message, with file and key."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from services.hostagent.drivers import DRIVERS
from services.hostagent.drivers.base import Capacity
from services.hostagent.drivers.datastore_settings import datastore_problems
from services.hostagent.drivers.vm_files import path_too_long
from services.hostagent.nap import sleep_problems
from services.hostagent.power_meter_settings import power_meter_problems
from services.hostagent.watts import CURVE_POINTS, default_curve

VARIABLE = "INNKEEPER_AGENT_CONFIG"
_ACCELERATORS = ("auto", "kvm", "tcg")
_REQUIRED = ("host_id", "platform", "driver", "broker_url", "command_public_key", "directory")
_POWER = ("power_curve", "power_meter", "sleep")
_DRIVERS_OWN = ("fake", "vsphere")
_ROOM = ("capacity", "datastores")
_OPTIONAL = ("libvirt_uri", "accelerator", *_POWER, "zone", *_ROOM, "metrics_port", "masters_keep_h", *_DRIVERS_OWN)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class ConfigError(Exception):
    """What is wrong with the file, all of it."""


@dataclass(frozen=True)
class AgentConfig:
    """A checked configuration. `broker_url` holds a password: it is never printed."""

    host_id: str
    platform: str
    driver: str
    broker_url: str = field(repr=False)
    command_public_key: str = field(repr=False)
    directory: Path
    libvirt_uri: str = "qemu:///system"
    accelerator: str = "auto"
    power_curve: tuple[float, ...] = ()
    power_meter: Mapping[str, Any] = field(default_factory=dict)
    sleep: Mapping[str, Any] = field(default_factory=dict)
    zone: str = ""
    capacity: Capacity = field(default_factory=Capacity)
    metrics_port: int = 0
    masters_keep_h: float = 24.0  # 0: for ever
    fake: Mapping[str, Any] = field(default_factory=dict)
    vsphere: Mapping[str, Any] = field(default_factory=dict)
    datastores: Mapping[str, Any] = field(default_factory=dict)


def read_config(environment: Mapping[str, str]) -> AgentConfig:
    """The configuration of the file that INNKEEPER_AGENT_CONFIG names; ConfigError says all that is wrong."""
    name = environment.get(VARIABLE, "")
    if not name:
        raise ConfigError(f"{VARIABLE} is not set: it names the agent's YAML file")
    try:
        data = yaml.safe_load(Path(name).read_text())
    except OSError as error:
        raise ConfigError(f"{name}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: not YAML: {error}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{name}: not a mapping of keys and values")
    problems = config_problems(data)
    if problems:
        raise ConfigError("\n".join(f"{name}: {problem}" for problem in problems))
    return _made(data)


def config_problems(data: Mapping[str, Any]) -> list[str]:
    """All that is wrong, each line naming its key."""
    problems = [f"{key}: missing" for key in _REQUIRED if not data.get(key)]
    problems += [f"{key}: unknown key" for key in data if key not in (*_REQUIRED, *_OPTIONAL)]
    texts = (*_REQUIRED, "libvirt_uri", "accelerator", "zone")
    problems += [f"{key}: not a text" for key in texts if key in data and not isinstance(data[key], str)]
    if problems:
        return problems
    if not _ID.fullmatch(data["host_id"]):
        problems.append(f"host_id: {data['host_id']!r} may have letters, digits, - and _ only")
    if data["driver"] not in DRIVERS:
        problems.append(f"driver: {data['driver']!r} is unknown; known are {', '.join(sorted(DRIVERS))}")
    if data.get("accelerator", "auto") not in _ACCELERATORS:
        problems.append(f"accelerator: {data['accelerator']!r} is none of {', '.join(_ACCELERATORS)}")
    if "BEGIN PUBLIC KEY" not in data["command_public_key"]:
        problems.append("command_public_key: not a public key in PEM")
    problems += _directory_problems(data["directory"])
    problems += _curve_problems(data.get("power_curve"))
    problems += power_meter_problems(data.get("power_meter"))
    problems += sleep_problems(data.get("sleep"))
    problems += _capacity_problems(data.get("capacity"))
    port = data.get("metrics_port", 0)
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port < 65536:
        problems.append(f"metrics_port: {port!r} is no port")
    if not _is_amount(data.get("masters_keep_h", 24)):
        problems.append(f"masters_keep_h: {data['masters_keep_h']!r} is no number of hours")
    if data["driver"] in DRIVERS:
        problems += datastore_problems(data.get("datastores"), data["driver"])
    return problems + _fake_problems(data) + _vsphere_problems(data)


def _directory_problems(directory: str) -> list[str]:
    path = Path(directory)
    if not path.is_absolute():
        return [f"directory: {directory!r} is not absolute"]
    excess = path_too_long(path)
    return [f"directory: {excess} bytes too long, a guest's port could not be opened in it"] if excess else []


def _curve_problems(curve: Any) -> list[str]:
    if curve is None:
        return []
    if not isinstance(curve, list) or len(curve) != CURVE_POINTS or not all(_is_amount(w) for w in curve):
        return [f"power_curve: give {CURVE_POINTS} numbers, the watts at 0, 10, ... 100 % CPU"]
    return []


def _capacity_problems(capacity: Any) -> list[str]:
    if capacity is None:
        return []
    known = ("vcpus", "memory_mib", "disk_gib")
    if not isinstance(capacity, dict):
        return [f"capacity: give a mapping with {', '.join(known)}"]
    problems = [f"capacity.{key}: unknown key" for key in capacity if key not in known]
    wrong = [key for key in known if key in capacity and not (_is_amount(capacity[key]) and capacity[key] >= 1)]
    return problems + [f"capacity.{key}: {capacity[key]!r} is no amount" for key in wrong]


def _fake_problems(data: Mapping[str, Any]) -> list[str]:
    fake = data.get("fake")
    if fake is None:
        return []
    if data["driver"] != "fake":
        return ["fake: only the fake driver has habits"]
    if not isinstance(fake, dict):
        return ["fake: give a mapping"]
    from services.hostagent.drivers.fake.faults import habits_problems

    return habits_problems(fake)


def _vsphere_problems(data: Mapping[str, Any]) -> list[str]:
    vsphere = data.get("vsphere")
    if data["driver"] != "vsphere":
        return ["vsphere: only the vsphere driver has it"] if vsphere is not None else []
    from services.hostagent.drivers.vsphere.settings import vsphere_problems

    return vsphere_problems(vsphere)


def _is_amount(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | float) and value >= 0


def _made(data: Mapping[str, Any]) -> AgentConfig:
    capacity = {key: int(value) for key, value in (data.get("capacity") or {}).items()}
    curve = data.get("power_curve")
    return AgentConfig(
        host_id=data["host_id"],
        platform=data["platform"],
        driver=data["driver"],
        broker_url=data["broker_url"],
        command_public_key=data["command_public_key"],
        directory=Path(data["directory"]),
        libvirt_uri=data.get("libvirt_uri") or "qemu:///system",
        accelerator=data.get("accelerator", "auto"),
        power_curve=tuple(map(float, curve)) if curve else default_curve(os.cpu_count() or 1),
        power_meter=data.get("power_meter") or {},
        sleep=data.get("sleep") or {},
        zone=data.get("zone", ""),
        capacity=Capacity(**capacity),
        metrics_port=data.get("metrics_port", 0),
        masters_keep_h=float(data.get("masters_keep_h", 24)),
        fake=data.get("fake") or {},
        vsphere=data.get("vsphere") or {},
        datastores=data.get("datastores") or {},
    )

# SPDX-License-Identifier: Apache-2.0
"""Where the embedded stack keeps its things: `.innkeeper/` in the checkout, or INNKEEPER_HOME."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Home:
    """The directory of one stack; removing it removes the stack."""

    root: Path
    checkout: Path = CHECKOUT

    @classmethod
    def default(cls) -> Home:
        """INNKEEPER_HOME, else `.innkeeper` in the checkout."""
        return cls(Path(os.environ.get("INNKEEPER_HOME") or CHECKOUT / ".innkeeper").absolute())

    def make(self) -> None:
        """Make the directories that must exist before anything starts; only the owner may enter."""
        self.root.mkdir(parents=True, exist_ok=True)
        for name in ("log", "run", "data", "state", "keys", "agent", "servers", "cache"):
            (self.root / name).mkdir(exist_ok=True)
        for name in ("log", "run", "data", "keys", "servers"):
            (self.root / name).chmod(0o700)

    def log(self, process: str) -> Path:
        """The log file of one process."""
        return self.root / "log" / f"{process}.log"

    def server(self, name: str) -> Path:
        """The directory of one private server."""
        return self.root / "servers" / name

    @property
    def state_file(self) -> Path:
        """What the supervisor runs at this moment."""
        return self.root / "run" / "state.json"

    @property
    def lock_file(self) -> Path:
        """Held by the supervisor for as long as it lives."""
        return self.root / "run" / "supervisor.lock"

    @property
    def ports_file(self) -> Path:
        """The loopback ports of our own services."""
        return self.root / "run" / "ports.json"

    @property
    def libvirt_file(self) -> Path:
        """Which libvirtd this stack uses, and why."""
        return self.root / "run" / "libvirt.json"

    @property
    def agent_config(self) -> Path:
        """Exists once this machine is registered as a host."""
        return self.root / "agent" / "agent.yaml"

    @property
    def vsphere_agent_config(self) -> Path:
        """Exists once the simulated vCenter is registered as a host."""
        return self.root / "agent" / "vsphere.yaml"

    @property
    def hypervisors_file(self) -> Path:
        """Which kinds of hypervisors this stack has, where there is more than libvirt."""
        return self.root / "run" / "hypervisors.json"

    @property
    def api_metrics(self) -> Path:
        """What the API's workers count; emptied by each start of the API."""
        return self.root / "run" / "api-metrics"

    @property
    def admin_password(self) -> Path:
        """The administrator's password, mode 0600."""
        return self.root / "admin-password"

    @property
    def flower_password(self) -> Path:
        """Flower's password, mode 0600."""
        return self.root / "flower-password"

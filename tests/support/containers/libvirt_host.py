# SPDX-License-Identifier: Apache-2.0
"""The profile `libvirt` of deploy/compose.yaml: a libvirtd beside the stack, registered as the manual says."""

import re
from pathlib import Path
from typing import Any

import yaml

from deploy.local.servers import libvirtd_room
from deploy.local.servers.libvirtd import Libvirtd
from services.hostagent.drivers.vm_files import VmFiles
from tests.support.containers.base import ROOT
from tests.support.containers.stack import ComposeStack
from tests.support.waiting import until

SERVICE = "hostagent-libvirt"
_PAGE = ROOT / "docs" / "operations" / "containers.md"


def manual() -> dict[str, Any]:
    """What the manual has people write into agent.yaml beside what the platform says."""
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", _PAGE.read_text(), re.MULTILINE | re.DOTALL)
    found: dict[str, Any] = yaml.safe_load(block)
    return found


class LibvirtHost:
    """Its agent in a container of the stack; `directory` is what agent and QEMU see by the same path."""

    def __init__(self, stack: ComposeStack, libvirtd: Libvirtd, directory: Path):
        self._stack = stack
        self._libvirtd = libvirtd
        self._directory = directory
        self.files = VmFiles(directory / "host")
        self.id = ""

    @property
    def container(self) -> str:
        """The id of the agent's container."""
        return self._stack.container(SERVICE)

    def _env(self) -> dict[str, str]:
        """What stands in deploy/.env for it."""
        return {
            "COMPOSE_PROFILES": "libvirt",
            "INNKEEPER_QEMU_GROUP": str((self._libvirtd.directory / "lib" / "qemu").stat().st_gid),
            "INNKEEPER_HOST_DIR": str(self._directory),
            "INNKEEPER_LIBVIRT_DIR": str(self._libvirtd.directory / "run"),
        }

    def start(self) -> "LibvirtHost":
        """Registered, its agent up."""
        answer = self._stack.http.post("/v1/hosts", json={"name": "this-machine", "driver": "libvirt"})
        told = answer.raise_for_status().json()
        self.id = told["host"]["id"]
        # Emulated: a machine of tests may have a KVM that hangs every guest.
        changed = {"directory": str(self._directory / "host"), "accelerator": "tcg"}
        config = self._directory / "agent.yaml"
        config.touch(0o600)
        config.write_text(yaml.safe_dump({**told["agent"], **manual(), **changed}))
        self._stack.set(**self._env())
        self._stack.compose("up", "-d", "--no-build", SERVICE)
        try:
            until(self.up, 60, "the host up", pause=0.2)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._stack.logs(SERVICE)}") from error
        return self

    def up(self) -> bool:
        """Whether the platform has heard from it lately."""
        state = self._stack.http.get(f"/v1/hosts/{self.id}").raise_for_status().json()["state"]
        return bool(state == "up")

    def guests(self) -> dict[int, int]:
        """Process -> user of every guest that runs."""
        found = filter(libvirtd_room.is_guest, libvirtd_room.members(self._libvirtd.directory))
        return {pid: Path(f"/proc/{pid}").stat().st_uid for pid in found}

    def stop(self) -> None:
        """The agent's container is gone; vms are not."""
        self._stack.compose("rm", "-s", "-f", SERVICE)

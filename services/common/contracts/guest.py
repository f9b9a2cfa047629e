# SPDX-License-Identifier: Apache-2.0
"""The guest protocol: JSON lines over virtio-serial (or HTTPS), from a guest that is not trusted.

Every line is one object with "type". Lines longer than MAX_LINE, unknown types, and values out of bounds are
dropped and counted; nothing a guest says is ever executed, interpolated or trusted as an identity.

guest -> host
  hello      {"type","agent","boot_id","hostname","os"}
  phase      {"type","name","percent"?}            a step of the boot or of the installation
  report     {"type","boot_id","hostname","interfaces":[{"name","mac","mtu","up","addresses":["192.0.2.5/24"]}],
              "routes":[{"to","via","dev","metric"?}],"dns":["192.0.2.1"]}
  load       {"type","load1","memory_total_mib","memory_free_mib","disks":[{"mount","total_mib","free_mib"}]}
  heartbeat  {"type","uptime_s"}
  failed     {"type","phase","log"}                 log: the reason in its first line, then the tail; at most 8 KiB
host -> guest
  ask        {"type":"ask"}                         say hello and report again
"""

from collections.abc import Mapping
from typing import Any

PORT_NAME = "org.innkeeper.guest.0"
MAX_LINE = 65536
MAX_INTERFACES = 64
MAX_LOG = 8192
TYPES = ("hello", "phase", "report", "load", "heartbeat", "failed")

# The steps of a job that end by what the guest says.
GUEST_STEPS = frozenset({"install", "boot"})
# The phases of an installation, in the words every template uses.
INSTALLED = "installed"
AGENT = "agent"
PHASES = ("loader up", "network", "partitioning", "packages", "bootloader", INSTALLED, "first boot", AGENT)
# However often a guest invents a new name, a step's journal holds this many.
MOST_PHASES = 64
_LINE_MAX = 200


def clear_line(log: str) -> str:
    """The first line of a log that says anything; "" where none does."""
    lines = (line.strip() for line in log.splitlines())
    return next((line[:_LINE_MAX] for line in lines if any(c.isalpha() for c in line)), "")


def failure_text(step: str, said: Mapping[str, Any]) -> str:
    """A guest's `failed` message as a sentence."""
    who = "the installer" if step == "install" else "the guest"
    reason = clear_line(str(said.get("log", "")))
    return f"{who} failed in {said.get('phase') or 'an unnamed phase'}" + (f": {reason}" if reason else "")

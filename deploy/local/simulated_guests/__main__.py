# SPDX-License-Identifier: Apache-2.0
"""`python -m deploy.local.simulated_guests SETTINGS`: plays every guest of the simulated vCenter until SIGTERM.

SETTINGS is a JSON file: `vsphere` as in an agent's configuration, `lan`, the network whose addresses DHCP "gives", and
`authority`, whom the guests' systems trust.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path

from deploy.local.simulated_guests.playing import Guests, lan_of, log
from deploy.local.simulated_guests.vcenter import Vcenter

_TURN_S = 0.5


def main(path: str) -> int:
    """Play until SIGTERM."""
    settings = json.loads(Path(path).read_text())
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    vcenter = Vcenter(settings["vsphere"])
    log("simulated guests", "nothing boots here: what these guests tell is made up from what is in their drives")
    guests = Guests(vcenter, lan_of(settings["lan"]), settings["authority"])
    while not ended.wait(_TURN_S):
        guests.turn()
    vcenter.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

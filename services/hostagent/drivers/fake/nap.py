# SPDX-License-Identifier: Apache-2.0
"""A fake host sleeps by falling silent, and is woken by a real magic packet to a port on loopback."""

import hashlib
import socket
import threading
from collections.abc import Callable

from services.hostagent.drivers.fake.faults import SLEEP_FAILS, WAKE_FAILS, Habits
from services.hostagent.nap import Nap


class FakeNap(Nap):
    """`silence(True)` when it sleeps, `silence(False)` when it has woken."""

    def __init__(self, host_id: str, habits: Habits, silence: Callable[[bool], None]) -> None:
        self._door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._door.bind(("127.0.0.1", 0))
        digest = hashlib.sha256(host_id.encode()).digest()
        mac = ":".join(f"{byte:02x}" for byte in b"\x02" + digest[:5])
        self._packet = b"\xff" * 6 + bytes.fromhex(mac.replace(":", "")) * 16
        self._habits, self._silence = habits, silence
        self._closing = threading.Event()
        wake = {"mac": mac, "address": "127.0.0.1", "port": self._door.getsockname()[1]}
        super().__init__({"command": ["sleep"], "wake_on_lan": wake}, habits.sleep_s)

    def close(self) -> None:
        """Nobody is woken any more."""
        super().close()
        self._closing.set()
        self._door.close()

    def _run(self) -> None:
        if SLEEP_FAILS in self._habits.faults:
            return
        self._silence(True)
        if self._called() and not self._closing.wait(self._habits.wake_s):
            self._silence(False)

    def _called(self) -> bool:
        """Wait for the packet; False where the agent ends first."""
        self._door.settimeout(0.1)
        while not self._closing.is_set():
            try:
                data = self._door.recv(2048)
            except TimeoutError:
                continue
            except OSError:  # closed meanwhile
                return False
            if data == self._packet and WAKE_FAILS not in self._habits.faults:
                return True
        return False

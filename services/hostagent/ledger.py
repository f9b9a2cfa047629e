# SPDX-License-Identifier: Apache-2.0
"""What an agent must not forget: the highest fence and the tombstone of every vm, on disk before anything is done."""

import sqlite3
import threading
from pathlib import Path

from services.common.contracts.commands import Command, Verb
from services.common.runtime.failpoints import hit

_TABLE = """
CREATE TABLE IF NOT EXISTS vm (
    id TEXT PRIMARY KEY,
    fence INTEGER NOT NULL,
    tombstone INTEGER NOT NULL DEFAULT -1,
    rebooted TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID
"""
_RAISE_FENCE = """
INSERT INTO vm (id, fence) VALUES (?, ?)
ON CONFLICT (id) DO UPDATE SET fence = excluded.fence WHERE excluded.fence > fence
"""
STALE, BURIED = "stale-fence", "tombstone"


class Ledger:
    """One small SQLite file. Every write is on disk when its method returns; may be used from any thread."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute(_TABLE)

    def admit(self, command: Command) -> str:
        """Note the command's fence; "" when it may be done, else the reason to refuse it.

        Refused: a fence older than the highest seen, and one not newer than the tombstone. An erase as old as
        the tombstone is the one that left it, and may be done again.
        """
        with self._lock:
            fence, tombstone = self._look(command.vm)
            if command.fence < fence:
                return STALE
            if command.fence <= tombstone and command.verb is not Verb.ERASE:
                return BURIED
            if command.fence > fence:
                hit("agent.before-ledger")
                self._db.execute(_RAISE_FENCE, (command.vm, command.fence))
                hit("agent.after-ledger")
            return ""

    def bury(self, vm: str, fence: int) -> None:
        """From now on nothing with this fence or an older one brings the vm back."""
        with self._lock:
            hit("agent.before-tombstone")
            self._db.execute("UPDATE vm SET tombstone = max(tombstone, ?) WHERE id = ?", (fence, vm))
            hit("agent.after-tombstone")

    def highest(self, vm: str) -> int:
        """The highest fence seen for the vm; -1 when it was never heard of."""
        with self._lock:
            return self._look(vm)[0]

    def note_reboot(self, vm: str, command_id: str) -> None:
        """This reboot has been done; a repeat of the same command must not do it again."""
        with self._lock:
            hit("agent.before-note-done")
            self._db.execute("UPDATE vm SET rebooted = ? WHERE id = ?", (command_id, vm))
            hit("agent.after-note-done")

    def rebooted(self, vm: str, command_id: str) -> bool:
        """Whether this very reboot has been done."""
        with self._lock:
            row = self._db.execute("SELECT rebooted FROM vm WHERE id = ?", (vm,)).fetchone()
        return row is not None and row[0] == command_id

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _look(self, vm: str) -> tuple[int, int]:
        row = self._db.execute("SELECT fence, tombstone FROM vm WHERE id = ?", (vm,)).fetchone()
        return (row[0], row[1]) if row else (-1, -1)

# SPDX-License-Identifier: Apache-2.0
"""A guest's stream cut into lines, within bounds whatever comes."""

from collections.abc import Iterator

from services.common.contracts.guest import MAX_LINE


class Lines:
    """Cuts a stream into lines. Holds at most MAX_LINE bytes, whatever comes; an overlong line is dropped whole."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipping = False
        self.dropped = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines completed by these bytes."""
        *ends, rest = data.split(b"\n")
        for end in ends:
            line, skipped = self._rest + end, self._skipping
            self._rest, self._skipping = b"", False
            if skipped or len(line) > MAX_LINE:
                self.dropped += not skipped
            elif line.strip():
                yield line
        if self._skipping or len(self._rest) + len(rest) > MAX_LINE:
            self.dropped += not self._skipping
            self._rest, self._skipping = b"", True
        else:
            self._rest += rest

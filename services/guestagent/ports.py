# SPDX-License-Identifier: Apache-2.0
"""The two ways to the host: a virtio-serial port, and HTTPS with this vm's own token where there is no such port."""

# ruff: noqa: UP006, UP035  (Python 3.6 runs this)
import errno
import os
import select
import ssl
import time
import urllib.request
from typing import Any, Dict, List

PORT = "/dev/virtio-ports/org.innkeeper.guest.0"
MAX_LINE = 65536
_AWAY_S = 1.0
_KEPT_MAX = 4 * MAX_LINE


class SerialPort:
    """A virtio-serial port. Nobody may be at the other end: then poll reports a hang-up at once, for ever."""

    def __init__(self, path: str = PORT) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)
        self._out = b""
        self._in = b""

    def send(self, line: bytes) -> None:
        """Write the line, as far as the host takes it; the rest goes with the next one. Dropped where nobody reads."""
        if len(self._out) + len(line) <= _KEPT_MAX:
            self._out += line
        self._flush()

    def wait(self, others: List[int], seconds: float) -> List[bytes]:
        """Lines of the host; returns when one came, another of these descriptors is readable, or the time is up."""
        poller = select.poll()
        poller.register(self._fd, select.POLLIN | (select.POLLOUT if self._out else 0))
        for other in others:
            poller.register(other, select.POLLIN)
        events = dict(poller.poll(max(0.0, seconds) * 1000))
        if events.get(self._fd, 0) & select.POLLHUP:
            # Half a line may have gone to a host that has left: the next one starts afresh.
            self._out, self._in = b"\n", b""
            time.sleep(min(_AWAY_S, max(0.0, seconds)))
            return []
        if events.get(self._fd, 0) & select.POLLOUT:
            self._flush()
        return self._lines() if events.get(self._fd, 0) & select.POLLIN else []

    def close(self) -> None:
        """Let go of the port."""
        os.close(self._fd)

    def _flush(self) -> None:
        try:
            while self._out:
                self._out = self._out[os.write(self._fd, self._out) :]
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EPIPE):
                raise

    def _lines(self) -> List[bytes]:
        try:
            data = os.read(self._fd, 4096)
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise
            return []
        if not data:
            time.sleep(_AWAY_S)
        parts = (self._in + data).split(b"\n")
        self._in = parts.pop()[-MAX_LINE:]
        return parts


class HttpsPort:
    """POSTs each line to a URL; the answer's lines are the host's."""

    def __init__(self, config: Dict[str, Any]) -> None:
        self._url = str(config["url"])
        self._token = str(config["token"])
        if not self._url.startswith("https://"):
            raise ValueError("url: only https:// may carry the token")
        self._context = ssl.create_default_context(cafile=config.get("ca") or None)
        self._answers: List[bytes] = []

    def send(self, line: bytes) -> None:
        """Deliver the line; OSError when the host can't be reached."""
        headers = {"Authorization": "Bearer " + self._token, "Content-Type": "application/json"}
        request = urllib.request.Request(self._url, line, headers)
        with urllib.request.urlopen(request, timeout=20, context=self._context) as answer:
            self._answers += answer.read(MAX_LINE).split(b"\n")

    def wait(self, others: List[int], seconds: float) -> List[bytes]:
        """What the host answered; else returns when one of the descriptors is readable, or the time is up."""
        answers, self._answers = self._answers, []
        if not answers:
            select.select(others, [], [], max(0.0, seconds))
        return answers

    def close(self) -> None:
        """Nothing is held open between two messages."""

# SPDX-License-Identifier: Apache-2.0
"""Listening to guests over real sockets: identity by socket, news only, and no guest drowns the others."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from services.hostagent import guest_channels
from services.hostagent.guest_channels import GuestChannels
from services.hostagent.guest_talk import Allowance, News
from tests.support.waiting import until

REPORT = {"type": "report", "boot_id": "b", "hostname": "h", "interfaces": [], "routes": [], "dns": []}


@dataclass
class Guests:
    """The guests' ends of the ports."""

    channels: GuestChannels | None = None
    ends: dict[str, list[socket.socket]] = field(default_factory=dict)
    heard: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    closed: set[str] = field(default_factory=set)

    def connect(self, vm: str) -> socket.socket | None:
        if vm in self.closed:
            return None
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self.ends.setdefault(vm, []).append(theirs)
        return ours

    def watch(self, vm: str) -> socket.socket:
        assert self.channels is not None
        self.channels.watch(vm)
        until(lambda: vm in self.ends, 5, "a connection")
        return self.ends[vm][-1]

    def of(self, vm: str) -> list[dict[str, Any]]:
        return [message for heard, message in self.heard if heard == vm]


@pytest.fixture
def guests() -> Iterator[Guests]:
    guests = Guests()
    guests.channels = GuestChannels(guests.connect, lambda vm, message: guests.heard.append((vm, message)))
    yield guests
    guests.channels.close()
    for ends in guests.ends.values():
        for end in ends:
            end.close()


def say(end: socket.socket, *messages: Any) -> None:
    for message in messages:
        end.sendall(json.dumps(message).encode() + b"\n")


def test_a_guest_is_asked_when_it_is_first_heard(guests: Guests) -> None:
    assert json.loads(guests.watch("vm-1").recv(100)) == {"type": "ask"}


def test_who_speaks_is_where_it_is_heard(guests: Guests) -> None:
    one, two = guests.watch("vm-1"), guests.watch("vm-2")
    say(one, {"type": "phase", "name": "x", "vm": "vm-2"})
    say(two, {"type": "phase", "name": "y"})
    until(lambda: len(guests.heard) == 2, 5, "both guests")
    assert sorted(guests.heard, key=str) == [
        ("vm-1", {"type": "phase", "name": "x"}),
        ("vm-2", {"type": "phase", "name": "y"}),
    ]


def test_a_report_counts_when_it_differs_or_was_asked_for(guests: Guests) -> None:
    end = guests.watch("vm-1")
    say(end, REPORT, REPORT, {**REPORT, "hostname": "other"}, {"type": "phase", "name": "end"})
    until(lambda: len(guests.of("vm-1")) >= 3, 5, "two reports and a phase")
    assert [m["type"] for m in guests.of("vm-1")] == ["report", "report", "phase"]
    end.recv(100)
    guests.watch("vm-1")
    until(lambda: end.recv(100), 5, "another question")
    say(end, {**REPORT, "hostname": "other"})
    until(lambda: len(guests.of("vm-1")) == 4, 5, "the report asked for")


def test_all_are_asked_again_when_what_they_said_may_be_lost(guests: Guests) -> None:
    assert guests.channels is not None
    ends = [guests.watch("vm-1"), guests.watch("vm-2")]
    for end in ends:
        end.recv(100)
        say(end, REPORT)
    until(lambda: len(guests.heard) == 2, 5, "both reports")
    guests.channels.ask_all()
    for end in ends:
        assert end.recv(100) == b'{"type":"ask"}\n'
        say(end, REPORT)
    until(lambda: len(guests.heard) == 4, 5, "both reports again")


def test_a_connection_that_breaks_is_made_again(guests: Guests) -> None:
    guests.watch("vm-1").close()
    until(lambda: len(guests.ends["vm-1"]) == 2, 5, "another connection")
    say(guests.ends["vm-1"][1], {"type": "phase", "name": "back"})
    until(lambda: guests.of("vm-1"), 5, "the guest")


def test_the_port_of_a_guest_that_does_not_answer_is_opened_anew_until_it_speaks(
    guests: Guests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guest_channels, "_DEAF_LAST_S", 0.4)
    monkeypatch.setattr(guest_channels, "_DEAF_FIRST_S", 0.2)
    first = guests.watch("vm-1")
    until(lambda: len(guests.ends["vm-1"]) > 2, 10, "connections that nobody answered on")
    assert first.recv(100) == b'{"type":"ask"}\n'
    assert first.recv(100) == b"", "hung up"
    say(guests.ends["vm-1"][-1], {"type": "heartbeat", "uptime_s": 1})
    until(lambda: guests.of("vm-1"), 5, "the guest is heard")
    connections = len(guests.ends["vm-1"])
    time.sleep(1.0)  # nothing more may happen
    assert len(guests.ends["vm-1"]) == connections


def test_a_vm_that_is_left_is_hung_up(guests: Guests) -> None:
    end = guests.watch("vm-1")
    end.settimeout(5)
    assert guests.channels is not None
    guests.channels.leave("vm-1")
    until(lambda: end.recv(100) == b"", 5, "the end of the line")


def test_a_flood_is_dammed_and_others_are_heard_meanwhile(guests: Guests) -> None:
    loud, quiet = guests.watch("vm-1"), guests.watch("vm-2")
    stop = threading.Event()

    def flood() -> None:
        line = json.dumps({"type": "phase", "name": "x" * 200}).encode() + b"\n"
        loud.settimeout(0.1)
        while not stop.is_set():
            try:
                loud.sendall(line * 100)
            except TimeoutError:
                continue
            except OSError:
                return

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        until(lambda: len(guests.of("vm-1")) >= 200, 5, "the first of the flood")
        say(quiet, {"type": "phase", "name": "calm"})
        until(lambda: guests.of("vm-2"), 5, "the quiet guest")
        assert len(guests.of("vm-1")) < 600
    finally:
        stop.set()
        thread.join()


def test_rubbish_is_dropped_and_what_follows_is_heard(guests: Guests) -> None:
    end = guests.watch("vm-1")
    end.sendall(b"\x00\xff rubbish\n{}\n" + b"x" * 70000 + b"\n")
    say(end, {"type": "phase", "name": "sane"})
    until(lambda: guests.of("vm-1") == [{"type": "phase", "name": "sane"}], 5, "the sane line alone")


def test_heartbeats_are_handed_on_now_and_then() -> None:
    news, beat = News(), {"type": "heartbeat", "uptime_s": 1}
    assert [news.worth(beat, now) for now in (100.0, 101.0, 109.9, 110.0, 111.0)] == [True, False, False, True, False]


def test_an_allowance_fills_with_time() -> None:
    allowance = Allowance(rate=1.0, burst=2.0, now=0.0)
    assert [allowance.take(1.0, 0.0) for _ in range(3)] == [True, True, False]
    assert allowance.take(1.0, 1.0)
    assert allowance.overdraw(4.0, 1.0) == 4.0
    assert allowance.overdraw(0.0, 5.0) == 0.0

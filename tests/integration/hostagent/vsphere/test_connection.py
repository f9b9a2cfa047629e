# SPDX-License-Identifier: Apache-2.0
"""A server that is another one, away, slow, signs us out, or answers half."""

import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyVmomi import SoapStubAdapter, vim

from services.common.contracts.errors import HostFailed, TryAgain
from services.hostagent.drivers.base import DriverSettings, Owner, Power
from services.hostagent.drivers.vsphere.collector import below
from services.hostagent.drivers.vsphere.driver import VsphereDriver
from services.hostagent.drivers.vsphere.session import WIDTH, Session
from services.hostagent.drivers.vsphere.settings import VsphereSettings, read_settings
from services.hostagent.drivers.vsphere.trust import readable
from tests.integration.hostagent.vsphere.conftest import Opened, nic
from tests.support.hypervisor import PLATFORM, a_vm, plan
from tests.support.vcsim.administrator import Administrator
from tests.support.vcsim.running import PASSWORD, Vcsim, vcsim
from tests.support.waiting import until


def names(session: Session) -> list[str]:
    """Something to ask: the datacenters."""
    found = session.call("listing", lambda seat: below(seat, seat.content.rootFolder, vim.Datacenter, ("name",)))
    return [item.get("name") for item in found]


def test_a_server_is_trusted_by_its_thumbprint_alone(opened: Opened, server: Vcsim) -> None:
    driver = opened(thumbprint=readable(server.certificates.thumbprint))
    assert driver.facts().vcpus > 0


def test_a_wrong_thumbprint_is_refused_and_both_are_shown(opened: Opened, server: Vcsim) -> None:
    with pytest.raises(HostFailed) as refused:
        opened(thumbprint="ab" * 32)
    assert readable(server.certificates.thumbprint) in refused.value.detail
    assert readable("ab" * 32) in refused.value.detail


def test_an_authority_nobody_knows_is_refused_with_the_thumbprint_to_compare(server: Vcsim) -> None:
    stranger = replace(read_settings(server.settings()), ca_file="")
    with pytest.raises(HostFailed, match=readable(server.certificates.thumbprint)):
        names(Session(stranger))


def test_a_wrong_user_is_refused_in_the_vendors_words_and_the_password_is_told_to_nobody(
    server: Vcsim, caplog: pytest.LogCaptureFixture
) -> None:
    nobody = replace(read_settings(server.settings()), user="")
    with caplog.at_level(logging.DEBUG), pytest.raises(HostFailed, match="InvalidLogin") as refused:
        names(Session(nobody))
    assert PASSWORD not in caplog.text + refused.value.detail + repr(refused.value.__cause__) + repr(nobody)


def test_a_session_that_is_ended_by_somebody_is_begun_anew(driver: VsphereDriver, administrator: Administrator) -> None:
    vm = a_vm()
    driver.deploy(plan(vm, nics=(nic(),)), Owner(PLATFORM, vm, 1), {})
    for verb in (driver.inventory, lambda: driver.start(vm), driver.usage, lambda: driver.force_stop(vm)):
        administrator.sign_out(driver.at.session.cookie)
        verb()
    assert driver.power(vm) == Power.OFF


def test_a_server_that_is_away_is_tried_again_later() -> None:
    with vcsim() as server:
        settings = read_settings(server.settings())
        session = Session(settings)
        assert names(session) == ["DC0"]
        server.end()
        for asked in (session, Session(settings)):
            with pytest.raises(TryAgain):
                names(asked)


def test_a_driver_goes_on_when_its_server_is_back(directory: Path) -> None:
    vm, resyncs = a_vm(), list[bool]()
    with vcsim() as server:
        driver = VsphereDriver(DriverSettings(directory, PLATFORM, vsphere=server.settings()))
        driver.watch(lambda _vm, _power: None, lambda: resyncs.append(True))
        driver.deploy(plan(vm, nics=(nic(),)), Owner(PLATFORM, vm, 1), {})
        until(lambda: resyncs, 10, "the first look")
        server.end()
        with pytest.raises(TryAgain):
            driver.inventory()
        server.begin_again()
        looks = len(resyncs)
        until(lambda: len(resyncs) > looks, 15, "another look")
        assert [(item.vm, item.power) for item in driver.inventory()] == [(vm, Power.ABSENT)]
        driver.deploy(plan(vm, nics=(nic(),)), Owner(PLATFORM, vm, 1), {})
        assert driver.power(vm) == Power.OFF
        driver.close()


def test_a_slow_server_is_waited_for_no_longer_than_was_said() -> None:
    with vcsim("-slow", "CreateContainerView", "-by", "2000") as server:
        session = Session(read_settings(server.settings()), timeout_s=0.5)
        with pytest.raises(TryAgain, match="timed out"):
            names(session)


def test_no_more_than_a_few_calls_are_at_the_server_at_any_time(
    driver: VsphereDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoke, lock, there, most = SoapStubAdapter.InvokeMethod, threading.Lock(), 0, 0

    def counted(*arguments: Any) -> Any:
        nonlocal there, most
        with lock:
            there, most = there + 1, max(most, there + 1)
        try:
            return invoke(*arguments)
        finally:
            with lock:
                there -= 1

    monkeypatch.setattr(SoapStubAdapter, "InvokeMethod", counted)
    with ThreadPoolExecutor(3 * WIDTH) as pool:
        assert set(pool.map(driver.power, [a_vm() for _ in range(9 * WIDTH)])) == {Power.ABSENT}
    assert most <= WIDTH


@contextmanager
def speaking(server: Vcsim, answer: bytes) -> Iterator[VsphereSettings]:
    """A server with the same certificate that gives this answer to everything, and hangs up."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificates.certificate, server.certificates.key)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    plain, _address = listening.accept()
                except OSError:
                    return
                with plain, context.wrap_socket(plain, server_side=True) as caller:
                    if caller.recv(65536):
                        caller.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield replace(read_settings(server.settings()), url=f"https://127.0.0.1:{listening.getsockname()[1]}")
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n<?xml version='1.0'?><soapenv:Envelope xmlns:soapenv='x'><so",
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"",
    ],
    ids=["half an answer", "not now", "half a header", "nothing"],
)
def test_half_an_answer_is_none_and_asked_for_again(server: Vcsim, answer: bytes) -> None:
    with speaking(server, answer) as settings, pytest.raises(TryAgain):
        names(Session(settings, timeout_s=5))

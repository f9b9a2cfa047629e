# SPDX-License-Identifier: Apache-2.0
"""Somebody who changes things in vCenter behind the platform's back, in a session of their own."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from pyVmomi import vim, vmodl

from services.hostagent.drivers.vsphere.collector import below, collecting, view_of, within
from services.hostagent.drivers.vsphere.session import Seat, Session
from services.hostagent.drivers.vsphere.settings import read_settings
from services.hostagent.drivers.vsphere.tasks import finish
from tests.support.vcsim.running import Vcsim

_PATIENCE_S = 120
_SOAP = "http://schemas.xmlsoap.org/soap/envelope/"


class Administrator:
    """Signed in as another user."""

    def __init__(self, server: Vcsim) -> None:
        self._session = Session(read_settings(server.settings(user="somebody.else@vsphere.local")))

    def sign_out(self, cookie: str) -> None:
        """End another's session, as an administrator does by hand and as a server does that was restarted."""
        key = cookie.partition("=")[2].strip('"')
        self._session.call("signing out", lambda seat: seat.content.sessionManager.TerminateSession([key]))

    def all(self, kind: Any, *paths: str) -> list[dict[str, Any]]:
        """These properties of everything of a kind, each with `ref`."""
        found = self._session.call("listing", lambda seat: below(seat, seat.content.rootFolder, kind, paths))
        return [{"ref": item.ref, **item.properties} for item in found]

    @contextmanager
    def watching(self, kind: Any, *paths: str) -> Iterator[Callable[[Callable[[dict[str, Any]], bool]], Any]]:
        """What waits for something of a kind to be so, by its properties, and hands back its reference.

        The server tells of it (the simulator four times a second): asking again and again would take the processor
        from whatever is measured meanwhile.
        """
        seat: Seat = self._session.call("watching", lambda seat: seat)
        with (
            view_of(seat, seat.content.rootFolder, [kind]) as view,
            collecting(seat, within(view, kind, paths)) as collector,
        ):
            yield _Changes(collector).until

    def powered_on_at(self, machine: Any) -> float:
        """When a vm was last powered on, in seconds since 1970, as the server noted it."""
        asked = vim.event.EventFilterSpec(
            eventTypeId=["VmPoweredOnEvent"],
            entity=vim.event.EventFilterSpec.ByEntity(entity=machine, recursion="self"),
        )
        found = self._session.call("reading", lambda seat: seat.content.eventManager.QueryEvents(asked))
        return max(float(event.createdTime.timestamp()) for event in found)

    def named(self, kind: Any, name: str) -> Any:
        """The one of that name."""
        return next(item["ref"] for item in self.all(kind, "name") if item["name"] == name)

    def add_port_groups(self, names: Iterable[str]) -> None:
        """Distributed ones; the simulator tells of no others that were added."""
        group = vim.dvs.DistributedVirtualPortgroup.ConfigSpec
        switch = self.all(vim.DistributedVirtualSwitch, "name")[0]["ref"]
        self.run(switch.AddDVPortgroup_Task([group(name=name, type="earlyBinding", numPorts=8) for name in names]))

    def set(self, machine: Any, name: str, value: Any) -> None:
        """Make a property of a vm what it isn't: the simulator takes it in place of an option."""
        option = vim.option.OptionValue(key=f"SET.{name}", value=value)
        self.run(machine.ReconfigVM_Task(vim.vm.ConfigSpec(extraConfig=[option])))

    def unset(self, machine: Any, name: str) -> None:
        """Take a property of a vm away: an option without a value, which pyVmomi refuses to send."""
        changed = f"<spec><extraConfig><key>SET.{name}</key></extraConfig></spec>"
        call = f'<ReconfigVM_Task xmlns="urn:vim25"><_this type="VirtualMachine">{machine._moId}</_this>{changed}'
        body = f'<e:Envelope xmlns:e="{_SOAP}"><e:Body>{call}</ReconfigVM_Task></e:Body></e:Envelope>'.encode()
        assert self._session.call("administering", lambda _seat: self._session.post(body)), body

    def run(self, task: Any) -> Any:
        """The result of a task."""
        return finish(self._session, "administering", task)

    def close(self) -> None:
        """Sign out."""
        self._session.close()


class _Changes:
    """What a collector has told of so far, by the objects' ids."""

    def __init__(self, collector: Any) -> None:
        self._collector, self._version = collector, ""
        self._known: dict[str, tuple[Any, dict[str, Any]]] = {}

    def until(self, is_so: Callable[[dict[str, Any]], bool]) -> Any:
        """The first object that is so; AssertionError when there is none in two minutes."""
        end = time.monotonic() + _PATIENCE_S
        while True:
            for ref, properties in self._known.values():
                if is_so(properties):
                    return ref
            assert time.monotonic() < end, f"nothing became so in {_PATIENCE_S} s: {self._known}"
            self._hear()

    def _hear(self) -> None:
        options = vmodl.query.PropertyCollector.WaitOptions(maxWaitSeconds=1)
        update = self._collector.WaitForUpdatesEx(self._version, options)
        if update is None:
            return
        self._version = update.version
        for item in (item for filtered in update.filterSet for item in filtered.objectSet):
            _ref, properties = self._known.setdefault(item.obj._moId, (item.obj, {}))
            properties |= {change.name: change.val for change in item.changeSet}

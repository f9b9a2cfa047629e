# SPDX-License-Identifier: Apache-2.0
"""The agent wired: one function builds its parts and hands them down."""

import threading
from collections.abc import Callable
from functools import partial

from services.common.contracts.commands import Command, Verb
from services.common.contracts.errors import InnkeeperError, TryAgain
from services.common.contracts.events import InventoryItem
from services.common.runtime.agent_bus import AgentBus
from services.common.runtime.log import get_logger
from services.common.runtime.signing import verify_command
from services.hostagent.artifacts import Artifacts
from services.hostagent.commands import Commands
from services.hostagent.config import AgentConfig
from services.hostagent.drivers import open_driver
from services.hostagent.drivers.base import Driver, DriverSettings, Power
from services.hostagent.drivers.datastore_settings import read_stores
from services.hostagent.drivers.vm_files import VmFiles
from services.hostagent.guest_channels import GuestChannels
from services.hostagent.hands import Hands
from services.hostagent.ledger import Ledger
from services.hostagent.masters import Masters
from services.hostagent.nap import Nap
from services.hostagent.power_board import PowerBoard
from services.hostagent.power_meter_settings import power_meter
from services.hostagent.power_meters import MeterWatch
from services.hostagent.pulse import Pulse, Sources
from services.hostagent.reports import Publish, Reports
from services.hostagent.tools_board import ToolsBoard
from services.hostagent.watts import POWERCAP, PowerMeter

log = get_logger(__name__)
_DRAIN_S = 20.0
_ASKS_AFTER = frozenset({Verb.START, Verb.REBOOT, Verb.RESET, Verb.RESUME})
_ASKS_WITH_MEMORY = frozenset({Verb.SNAPSHOT, Verb.REVERT})


class Agent:
    """All of one host's agent but the broker: give it tokens by `take`, it publishes events."""

    def __init__(self, config: AgentConfig, driver: Driver, publish: Publish) -> None:
        self.driver = driver
        self._reports = Reports(config.host_id, publish)
        self._ledger = Ledger(config.directory / "ledger.sqlite")
        files = VmFiles(config.directory)
        self._artifacts = Artifacts(files)
        self._masters = Masters(files, self._artifacts, config.masters_keep_h * 3600.0, driver.keep_masters)
        self._board = PowerBoard()
        self._guests = GuestChannels(driver.guest_channel, self._reports.guest)
        outside = power_meter(config.power_meter)
        self._meter = MeterWatch(outside) if outside is not None else None
        # A fake host draws what its curve says; the machine under it is none of its business.
        meter = PowerMeter(config.power_curve, None if driver.name == "fake" else POWERCAP, outside=self._meter)
        self._nap = nap_of(driver, config, self._silence)
        self._tools = ToolsBoard(self._reports.tools)
        found, tools = self._found, self._tools.tell
        sources = Sources(driver, self._ledger, meter, self._reports, found, tools, config.zone, self._nap.wake)
        self._pulse = Pulse(sources)
        verify = partial(_verify, config)
        self.commands = Commands(verify, self._ledger, self._reports, self._after)
        self.commands.use(
            Hands(
                driver=driver,
                artifacts=self._artifacts,
                ledger=self._ledger,
                board=self._board,
                progress=self._reports.progress,
                yields=self.commands.yields,
                tell_all=self._tell_all,
                show=self._reports.evidence,
                list_all=self._reports.survey,
                sleep=self._nap.prepare,
            )
        )

    def start(self) -> None:
        """Watch the hypervisor, say hello, and speak regularly from now on."""
        self.driver.watch_tools(self._tools.note)
        self.driver.watch(self._power_seen, self._pulse.hurry)
        if self._meter is not None:
            self._meter.start()
        self._pulse.start()
        self._masters.start()

    @property
    def asleep(self) -> bool:
        """Whether this (fake) host sleeps: it says nothing and hears nothing."""
        return self._pulse.silent

    def take(self, token: str) -> None:
        """Accept a command; one that comes while the host sleeps is lost, and will be sent again."""
        if not self.asleep:
            self.commands.take(token)

    def broker_is_back(self) -> None:
        """Guests are to report again: what they said a moment before the broker went may be lost."""
        self._guests.ask_all()

    def stop(self) -> None:
        """Finish what is in hand and let go of everything; vms keep running."""
        if not self.commands.drain(_DRAIN_S):
            log.warning("ending with commands in hand; they will be sent again")
        self._masters.stop()
        self._pulse.stop()
        if self._meter is not None:
            self._meter.stop()
        self._nap.close()
        self._guests.close()
        self.driver.close()
        self._artifacts.close()
        self._ledger.close()

    def _power_seen(self, vm: str, power: str) -> None:
        """What is told is what the vm is now: a hypervisor may tell of a change after we have made another one."""
        if power == Power.ABSENT:
            self._tools.leave(vm)
        told = False
        while not told:
            acts = self._board.acts(vm)
            now = self._power_now(vm, power)
            why = self._why_paused(vm) if now == Power.PAUSED else ""
            told = self._board.tell(vm, now, acts, partial(self._tell_power, vm, now, why))

    def _power_now(self, vm: str, seen: str) -> str:
        try:
            now = self.driver.power(vm)
        except InnkeeperError as error:
            log.warning("a vm whose power changed can't be looked at", vm=vm, detail=error.detail)
            return seen
        return seen if (now, seen) == (Power.OFF, Power.CRASHED) else now

    def _why_paused(self, vm: str) -> str:
        try:
            return self.driver.why_paused(vm)
        except InnkeeperError as error:
            log.warning("why a vm stands still can't be seen", vm=vm, detail=error.detail)
            return ""

    def _tell_power(self, vm: str, power: str, why: str = "") -> None:
        self._reports.lifecycle(vm, power, why)
        if power != Power.ON:
            self._guests.leave(vm)

    def _found(self, items: list[InventoryItem]) -> None:
        for item in items:
            self._board.note(item.vm, item.power)
            if item.power == Power.ON:
                self._guests.watch(item.vm, ask=False)

    def _after(self, command: Command) -> None:
        # After the report, so that nobody hears a guest before its start is known to be done.
        if _runs_again(command):
            self._guests.watch(command.vm)
        if command.verb is Verb.SLEEP:
            self._nap.begin()

    def _silence(self, asleep: bool) -> None:
        self._pulse.pause(asleep)
        if not asleep:
            self._tell_all()

    def _tell_all(self) -> None:
        self._pulse.hello()
        self._pulse.inventory()


def _runs_again(command: Command) -> bool:
    """Whether its guest speaks from now on: one that was started, or stood still for a while."""
    return command.verb in _ASKS_AFTER or (
        command.verb in _ASKS_WITH_MEMORY and command.snapshot is not None and command.snapshot.memory
    )


def run(config: AgentConfig, stopping: threading.Event) -> None:
    """Serve until `stopping` is set. A hypervisor that is away at the start is waited for."""
    driver = _open_patiently(config, stopping)
    if driver is None:
        return
    bus = AgentBus(config.broker_url, config.host_id)
    agent = Agent(config, driver, bus.publish)
    agent.start()
    reader = threading.Thread(target=bus.consume, args=(agent.take, agent.broker_is_back), name="commands", daemon=True)
    reader.start()
    stopping.wait()
    log.info("ending: finishing what is in hand")
    agent.stop()
    bus.stop()


def nap_of(driver: Driver, config: AgentConfig, silence: Callable[[bool], None]) -> Nap:
    """How this host sleeps: a fake one in its own way, a real one by the configured command."""
    if driver.name != "fake":
        return Nap(config.sleep)
    from services.hostagent.drivers.fake.faults import read_habits
    from services.hostagent.drivers.fake.nap import FakeNap

    return FakeNap(config.host_id, read_habits(config.fake), silence)


def _open_patiently(config: AgentConfig, stopping: threading.Event) -> Driver | None:
    while not stopping.is_set():
        try:
            return open_driver(config.driver, _settings(config))
        except TryAgain as error:
            log.warning("the hypervisor is away; trying again", detail=error.detail)
            stopping.wait(2.0)
    return None


def _settings(config: AgentConfig) -> DriverSettings:
    return DriverSettings(
        directory=config.directory,
        platform=config.platform,
        uri=config.libvirt_uri,
        accelerator=config.accelerator,
        capacity=config.capacity,
        power_curve=config.power_curve,
        fake=config.fake,
        vsphere=config.vsphere,
        datastores=read_stores(config.datastores, config.driver),
    )


def _verify(config: AgentConfig, token: str) -> Command:
    command = verify_command(token, config.command_public_key, config.host_id)
    if command.host != config.host_id or command.platform != config.platform:
        raise ValueError(f"a command for host {command.host} of platform {command.platform}")
    return command

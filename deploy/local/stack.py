# SPDX-License-Identifier: Apache-2.0
"""Start and end the embedded stack as a whole."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable

from deploy.local import hypervisor, hypervisors, machine_host, own_agents, shared_lan, vsphere_side
from deploy.local.ending import end_all
from deploy.local.home import Home
from deploy.local.pid import end, wait_gone
from deploy.local.ports import is_free
from deploy.local.servers.base import ServerError, last_lines
from deploy.local.settings import Addresses
from deploy.local.state import State
from deploy.local.supervisor import end_leftovers
from deploy.local.whose_port import holder

Say = Callable[[str], None]
_READY_LIMIT = 90.0


class StackError(Exception):
    """The stack can't do what was asked; the text says why and what to do."""


def up(home: Home, say: Say) -> None:
    """A running, ready stack; one that runs already is left alone. Raises StackError."""
    home.make()
    state = State.load(home.state_file)
    if state.running() and state.phase == "running":
        _check_port_unchanged(home)
        _check_hypervisors_there(home)
        _ensure_hypervisor(home, say)
        say(f"already up: {Addresses.load(home).api_url}")
        return
    if not state.running():
        _end_leftovers(home, say)
        _check_port_free(home)
        _choose_hypervisors(home, say)
        _spawn(home)
    _ensure_hypervisor(home, say)
    _wait(home, say)
    agent = State.load(home.state_file).processes.get("hostagent")
    if own_agents.refresh(home, machine_host.agent(home)) and agent is not None and agent.pid is not None:
        end([agent.pid], 10.0)  # the supervisor starts it again, with what is new


def down(home: Home, purge: bool, say: Say) -> None:
    """End exactly what `up` started; with `purge` the guests and all data too."""
    if not home.root.exists():
        say("nothing to end")
        return
    state = State.load(home.state_file)
    if state.running() and state.supervisor is not None:
        say("ending the stack")
        end_all(home.state_file, state.supervisor, say)
    _end_leftovers(home, say)
    try:
        if purge:
            shared_lan.remove(home)
        ended = hypervisor.release(home, purge)
    except ServerError as error:
        raise StackError(str(error)) from error
    if ended:
        say(ended)
    if purge:
        _remove(home)
        say(f"removed {home.root}, but for what was downloaded and built (cache)")
    say("down")


def _choose_hypervisors(home: Home, say: Say) -> None:
    try:
        if hypervisors.VSPHERE in hypervisors.choose(home.hypervisors_file, os.environ.get(hypervisors.VARIABLE, "")):
            say("vSphere: a simulated vCenter with simulated guests (building the simulator takes a minute, once)")
            vsphere_side.vcsim(home).build()
    except (hypervisors.WrongHypervisors, ServerError) as error:
        raise StackError(str(error)) from error


def _check_hypervisors_there(home: Home) -> None:
    try:
        asked = hypervisors.asked(os.environ.get(hypervisors.VARIABLE, ""))
    except hypervisors.WrongHypervisors as error:
        raise StackError(str(error)) from error
    there = hypervisors.chosen(home.hypervisors_file)
    if set(asked) - set(there):
        text = f"the stack runs with {', '.join(there)} alone; to add: make down, then the same again"
        raise StackError(text)


def _spawn(home: Home) -> None:
    """Start the supervisor; it leaves this session by itself."""
    home.state_file.unlink(missing_ok=True)
    env = {**os.environ, "PYTHONPATH": str(home.checkout), "INNKEEPER_HOME": str(home.root)}
    command = [sys.executable, "-m", "deploy.local.supervisor"]
    log = home.log("supervisor")
    with log.open("ab") as file:
        subprocess.run(
            command, env=env, cwd=home.checkout, stdin=subprocess.DEVNULL, stdout=file, stderr=file, check=True
        )


def _ensure_hypervisor(home: Home, say: Say) -> None:
    try:
        found = hypervisor.ensure(home)
    except ServerError as error:
        raise StackError(str(error)) from error
    say(f"libvirt: {'a private libvirtd' if found.own else 'the machine’s libvirtd'} ({found.why})")
    say(f"guests run on {found.accel.upper()}: {found.accel_reason}")


def _wait(home: Home, say: Say) -> None:
    deadline = time.monotonic() + _READY_LIMIT
    told: set[str] = set()
    while time.monotonic() < deadline:
        state = State.load(home.state_file)
        if state.phase == "failed":
            raise StackError(state.error)
        for name, process in state.processes.items():
            if process.state in ("ready", "done") and name not in told:
                told.add(name)
                say(f"  {name}: {process.state}")
        if state.phase == "running":
            return
        time.sleep(0.05)
    raise StackError(_not_ready(home))


def _not_ready(home: Home) -> str:
    state = State.load(home.state_file)
    if not state.processes:
        lines = "\n".join(last_lines(home.log("supervisor"), 15))
        return f"the supervisor didn't start; last lines of {home.log('supervisor')}:\n{lines}"
    parts = [f"not ready after {_READY_LIMIT:.0f} s; it goes on trying. `make status` shows more, `make down` ends it."]
    for name, process in state.processes.items():
        if process.state in ("starting", "waiting") and process.restarts:
            lines = "\n  ".join(last_lines(home.log(name), 8))
            parts.append(f"{name} crashed {process.restarts} times; last lines of {home.log(name)}:\n  {lines}")
        elif process.state == "starting":
            parts.append(f"{name} runs but doesn't answer; see {home.log(name)}")
    return "\n".join(parts)


def _end_leftovers(home: Home, say: Say) -> None:
    ended = end_leftovers(home.state_file, home.root)
    if ended:
        wait_gone(ended, 5)
        say(f"ended {len(ended)} processes a killed supervisor had left")


def _check_port_free(home: Home) -> None:
    port = int(os.environ.get("PORT") or Addresses.load(home).api)
    if not is_free(port):
        text = f"port {port} is taken by {holder(port)}. End it, or choose another one: PORT={port + 1} make up"
        raise StackError(text)


def _check_port_unchanged(home: Home) -> None:
    wanted, running = os.environ.get("PORT"), Addresses.load(home).api
    if wanted and int(wanted) != running:
        raise StackError(f"the stack runs on port {running}; to change it: make down, then PORT={wanted} make up")


def _remove(home: Home) -> None:
    """Everything but the cache of what was built and downloaded."""
    for path in home.root.iterdir():
        if path.name == "cache":
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()

# SPDX-License-Identifier: Apache-2.0
"""One apt step that says what it installs, and leaves the machine's own services stopped and disabled."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.setup.failure import Failure
from deploy.local.setup.packages import SIMULATOR, STACK, TESTS, Package

_POLICY = Path("/usr/sbin/policy-rc.d")
_NO_CLUSTER = Path("/etc/postgresql-common/createcluster.d/innkeeper.conf")
_NETWORK = ("Could not resolve", "failure resolving", "Could not connect", "Unable to connect", "Failed to fetch")
_STILL = {_POLICY: ("#!/bin/sh\nexit 101\n", "755"), _NO_CLUSTER: ("create_main_cluster = false\n", "644")}
_OURS = re.compile(
    r"^(rabbitmq-server|epmd|redis|valkey|libvirt|virt(log|lock|qemu|network|storage)d|postgresql|openvswitch|ovs|docker|containerd)"
)


def wanted(test: bool, vsphere: bool = False) -> list[Package]:
    """The packages of the stack, with `vsphere` those of the simulated vCenter, with `test` all of the suite's too."""
    simulator = SIMULATOR if test or vsphere else ()
    return [*STACK, *simulator, *(TESTS if test else ())]


def missing(packages: list[Package]) -> list[Package]:
    """Those of which no alternative is installed; optional ones count only beside something else that is missing."""
    names = [name for package in packages for name in package.names]
    query = ["dpkg-query", "-W", "-f=${binary:Package} ${db:Status-Status}\\n", *names]
    lines = subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines()
    installed = {line.split()[0].split(":")[0] for line in lines if line.endswith(" installed")}
    absent = [package for package in packages if not installed & set(package.names)]
    return absent if any(not package.optional for package in absent) else []


def install(packages: list[Package]) -> None:
    """Install them; raises Failure with what to do."""
    become_root = _sudo()
    print("Reading the package lists (apt-get update)", flush=True)
    updated = _apt(become_root, "update")
    names = []
    for package in packages:
        known = [name for name in package.names if _known(name)]
        if known:
            names.append(known[0])
            print(f"  install {known[0]:30} {package.why}", flush=True)
        elif not package.optional:
            raise _unknown(package, updated)
    before = _enabled_units()
    with _services_kept_still(become_root):
        done = _apt(become_root, "install", "--no-install-recommends", *names)
    _disable(become_root, _enabled_units() - before)
    if done.returncode:
        raise _explained(done.stdout)


def _sudo() -> list[str]:
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        raise Failure(12, "system packages are missing, this user isn't root, and there is no sudo; run it as root")
    if subprocess.run(["sudo", "-v"], check=False).returncode:
        raise Failure(12, "system packages are missing and sudo was refused; run it as root or as a user with sudo")
    return ["sudo"]


def _apt(become_root: list[str], *words: str) -> "subprocess.CompletedProcess[str]":
    env = ["env", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", "NEEDRESTART_SUSPEND=1"]
    command = [*become_root, *env, "apt-get", "-y", "-q", "-o", "DPkg::Lock::Timeout=300", *words]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    said = []
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line)
        if words[0] == "install" and line.startswith(("Unpacking", "Setting up", "E:")):
            print("  " + line.rstrip(), flush=True)
    return subprocess.CompletedProcess(command, process.wait(), "".join(said))


def _known(name: str) -> bool:
    answer = subprocess.run(["apt-cache", "policy", name], capture_output=True, text=True, check=False).stdout
    return "Candidate:" in answer and "Candidate: (none)" not in answer


def _unknown(package: Package, updated: "subprocess.CompletedProcess[str]") -> Failure:
    if any(sign in updated.stdout for sign in _NETWORK):
        return _explained(updated.stdout)
    text = f"this release has no package {' or '.join(package.names)} ({package.why}); on Ubuntu enable `universe`"
    return Failure(15, text)


def _explained(said: str) -> Failure:
    errors = [line for line in said.splitlines() if line.startswith(("E:", "W:", "dpkg: error"))][:8]
    detail = "\n  ".join(["", *errors])
    if "No space left" in said or "You don't have enough free space" in said:
        return Failure(13, f"the disk is full; free some space and run it again.{detail}")
    if any(sign in said for sign in _NETWORK):
        return Failure(14, f"apt can't reach its archive; check the network or apt's proxy, then run it again.{detail}")
    return Failure(15, f"apt-get failed; `sudo dpkg --configure -a` may repair it, then run it again.{detail}")


@contextmanager
def _services_kept_still(become_root: list[str]) -> Iterator[None]:
    """While packages are set up, none may start a service or make a database cluster; taken back afterwards."""
    placed = []
    for path, (text, mode) in _STILL.items():
        if not path.exists():
            placed.append(path)
            _root_file(become_root, path, text, mode)
    try:
        yield
    finally:
        for path in placed:
            subprocess.run([*become_root, "rm", "-f", str(path)], check=False)
            empty = [*become_root, "rmdir", "--ignore-fail-on-non-empty", "-p", str(path.parent)]
            if path == _NO_CLUSTER:
                subprocess.run(empty, check=False, stderr=subprocess.DEVNULL)


def _root_file(become_root: list[str], path: Path, text: str, mode: str) -> None:
    command = [*become_root, "install", "-D", "-m", mode, "/dev/stdin", str(path)]
    subprocess.run(command, input=text, text=True, check=True)


def _enabled_units() -> set[str]:
    if not Path("/run/systemd/system").exists():
        return set()
    command = ["systemctl", "list-unit-files", "--state=enabled", "--no-legend", "--no-pager"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return {line.split()[0] for line in said.splitlines() if line.split()}


def _disable(become_root: list[str], units: set[str]) -> None:
    """Debian enables what it installs; the stack runs its own copies, so the machine's stay off at the next boot."""
    ours = sorted(unit for unit in units if _OURS.match(unit))
    if ours:
        print(f"  leave disabled: {' '.join(ours)}", flush=True)
        subprocess.run([*become_root, "systemctl", "-q", "disable", *ours], check=False)

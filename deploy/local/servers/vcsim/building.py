# SPDX-License-Identifier: Apache-2.0
"""The simulator's program, built once for each state of its source, of Debian's Go and Debian's govmomi."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

from deploy.local.servers.base import ServerError, last_lines

_SOURCE = Path(__file__).with_name("main.go")
_GOPATH = Path("/usr/share/gocode")
_LIBRARY = _GOPATH / "src/github.com/vmware/govmomi/simulator"
_BUILD_S = 600
_MISSING = (
    "the vCenter simulator's library isn't installed. Run `make demo HYPERVISORS=libvirt,vsphere`, or: "
    "apt-get install golang-go golang-github-vmware-govmomi-dev"
)


def built(cache: Path) -> Path:
    """The program, kept in `cache`; the first time takes half a minute. Raises ServerError."""
    go = shutil.which("go")
    if go is None or not _LIBRARY.is_dir():
        raise ServerError(_MISSING)
    program = cache / f"vcsim-{_key(go)}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # those that start side by side need it built once
        if not program.exists():
            draft = program.with_name(f".{program.name}")
            _build(go, cache, draft)
            draft.rename(program)
    return program


def _key(go: str) -> str:
    version = subprocess.run([go, "version"], capture_output=True, check=True, timeout=60).stdout
    library = "".join(f"{path.name} {path.stat().st_size}\n" for path in sorted(_LIBRARY.glob("*.go")))
    return sha256(_SOURCE.read_bytes() + version + library.encode()).hexdigest()[:16]


def _build(go: str, cache: Path, draft: Path) -> None:
    own = {"GO111MODULE": "off", "GOPATH": str(_GOPATH), "GOCACHE": str(cache / "go"), "GOFLAGS": ""}
    log = cache / "build.log"
    with log.open("w") as out:
        command = [go, "build", "-o", str(draft), str(_SOURCE)]
        done = subprocess.run(command, env={**os.environ, **own}, stdout=out, stderr=out, timeout=_BUILD_S, check=False)
    if done.returncode:
        lines = "\n".join(last_lines(log, 15))
        raise ServerError(f"the vCenter simulator can't be built; last lines of {log}:\n{lines}")

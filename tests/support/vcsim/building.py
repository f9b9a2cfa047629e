# SPDX-License-Identifier: Apache-2.0
"""The simulator's program, built once for each state of its source. Missing parts fail in CI, and skip elsewhere."""

import fcntl
import os
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

from tests.support.missing import missing

_SOURCE = Path(__file__).with_name("main.go")
_GOPATH = Path("/usr/share/gocode")
_LIBRARY = _GOPATH / "src/github.com/vmware/govmomi/simulator"
_BUILD_S = 600


def built() -> Path:
    """The program; it takes half a minute on a machine that hasn't built it yet."""
    go = shutil.which("go")
    if go is None or not _LIBRARY.is_dir():
        missing("a vCenter simulator: apt install golang-go golang-github-vmware-govmomi-dev")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "innkeeper-tests"
    program = cache / f"vcsim-{_key(go)}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests that run side by side need it built once
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
    done = subprocess.run(
        [go, "build", "-o", str(draft), str(_SOURCE)],
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        timeout=_BUILD_S,
    )
    assert done.returncode == 0, done.stderr

# SPDX-License-Identifier: Apache-2.0
"""Judges that are written in JavaScript, over packages of npm's registry: a folder with a lock and a judge.mjs."""

import fcntl
import json
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

from deploy.k8s.__main__ import CACHE
from tests.support.missing import missing


def installed(folder: Path) -> Path:
    """The folder's packages as locked, once for each lock, with its judge; ends the test where they can't be had."""
    npm = shutil.which("npm") or missing("npm, of the package npm")
    kept = CACHE / f"judge-{folder.name}-{sha256((folder / 'package-lock.json').read_bytes()).hexdigest()[:16]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"judge-{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (kept / "ready").exists():
            shutil.copytree(folder, kept, dirs_exist_ok=True)
            command = [npm, "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
            done = subprocess.run(command, cwd=kept, capture_output=True, text=True, check=False)
            if done.returncode:
                missing(f"packages of npm's registry: {done.stderr.strip()[-300:]}")
            (kept / "ready").touch()
    shutil.copy(folder / "judge.mjs", kept)
    return kept


def refused(judge: Path, objects: list[Any]) -> list[str]:
    """What an installed judge finds wrong with the objects."""
    command = ["node", str(judge / "judge.mjs")]
    done = subprocess.run(command, input=json.dumps(objects), capture_output=True, text=True, check=True)
    found: list[str] = json.loads(done.stdout)
    return found

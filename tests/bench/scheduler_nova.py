# SPDX-License-Identifier: Apache-2.0
"""Nova's own filters and weighers as a peer, in an environment of its own that is made once."""

import subprocess
import sys
import venv
from pathlib import Path

HOME = Path.home() / ".cache" / "innkeeper" / "nova"
CANDIDATES = 1000  # what Placement hands Nova's scheduler at most; more would only be slower


def decisions_per_s(seconds: float = 5.0) -> tuple[float | None, str]:
    """How many decisions a second Nova makes over its candidates, and a note; None and why where it can't be had."""
    python = HOME / "bin" / "python"
    try:
        if not (HOME / "ready").exists():
            venv.create(HOME, with_pip=True, clear=True)
            _run([str(python), "-m", "pip", "install", "-q", "nova"], 900)
            (HOME / "ready").touch()
        told = _run([str(python), str(Path(__file__).parent / "nova_peer.py"), str(CANDIDATES), str(seconds)], 300)
    except (OSError, subprocess.SubprocessError) as error:
        return None, f"Nova can't be had here: {_why(error)}"
    rate, said = told.strip().splitlines()[-1].split(" ", 1)
    return float(rate), f"{CANDIDATES} candidates, {said}"


def _run(argv: list[str], timeout: float) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=timeout).stdout


def _why(error: Exception) -> str:
    said = getattr(error, "stderr", "") or str(error)
    return said.strip().splitlines()[-1] if said.strip() else repr(error)


if __name__ == "__main__":
    sys.stdout.write(f"{decisions_per_s()}\n")

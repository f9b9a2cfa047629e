# SPDX-License-Identifier: Apache-2.0
"""Run what asks an index of packages, again where it fails: indexes answer late, break off, or refuse for a while.

pip itself asks again for little: not for a download that broke off, nor where it is told "too many requests".
"""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence

PAUSES_S = (5.0, 20.0, 60.0)


def insist(command: Sequence[str], wait: Callable[[float], None] = time.sleep) -> int:
    """Its exit code, which is 0 unless the last attempt failed, too; every failure is told, pip's words before it."""
    attempts = len(PAUSES_S) + 1
    for attempt, pause in enumerate((*PAUSES_S, None), 1):
        code = subprocess.run(command, check=False).returncode
        if code == 0:
            break
        then = "that was the last" if pause is None else f"again in {pause:.0f} s"
        print(f"attempt {attempt} of {attempts} ended with exit code {code}; {then}", file=sys.stderr, flush=True)
        if pause is not None:
            wait(pause)
    return code

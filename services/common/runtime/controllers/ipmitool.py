# SPDX-License-Identifier: Apache-2.0
"""IPMI through `ipmitool`: of this machine, or of a controller on the network."""

import subprocess
from collections.abc import Mapping

from services.common.runtime.controllers.failing import ControllerFailed, ControllerRefused

HERE = ("ipmitool",)
TIMEOUT_S = 15.0
_FOR_GOOD = ("unauthorized name", "hmac is invalid", "insufficient privilege", "invalid user name")


def far(given: Mapping[str, str]) -> tuple[str, ...]:
    """The command for a controller on the network (address, user, password_file).

    The password goes by its file: whoever lists processes must not see it. Without -v a wrong password looks like no
    answer; and each of the retries that are usual (four) would be another try to sign in.
    """
    patience = ("-v", "-N", "2", "-R", "2")
    who = ("-H", given["address"], "-U", given["user"], "-f", given["password_file"])
    return (*HERE, *patience, "-I", "lanplus", *who)


def told(command: tuple[str, ...], timeout_s: float = TIMEOUT_S) -> str:
    """What it prints; raises ControllerFailed where it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except FileNotFoundError as error:
        raise ControllerRefused(f"{command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise ControllerFailed(f"ipmitool gave no answer within {timeout_s:.0f} s") from error
    if done.returncode:
        said = "; ".join(line for line in done.stderr.splitlines() if line.strip())[-300:]
        refused = any(word in done.stderr.lower() for word in _FOR_GOOD)
        raise (ControllerRefused if refused else ControllerFailed)(f"ipmitool ended with {done.returncode}: {said}")
    return done.stdout

# SPDX-License-Identifier: Apache-2.0
"""Exit codes: scripts rely on them, so a number never changes its meaning (docs/cli.md lists them)."""

from collections.abc import Mapping
from enum import IntEnum

from innkeeper import errors


class Exit(IntEnum):
    """What the shell gets."""

    OK = 0
    GENERAL = 1
    USAGE = 2
    NOT_SIGNED_IN = 3
    NOT_FOUND = 4
    REFUSED = 5
    CONFLICT = 6
    JOB_FAILED = 7
    TIMEOUT = 8
    UNREACHABLE = 9
    INTERRUPTED = 130


OF_ERROR: Mapping[type[errors.ClientError], Exit] = {
    errors.NotSignedIn: Exit.NOT_SIGNED_IN,
    errors.NotFound: Exit.NOT_FOUND,
    errors.Invalid: Exit.REFUSED,
    errors.Forbidden: Exit.REFUSED,
    errors.Conflict: Exit.CONFLICT,
    errors.JobFailed: Exit.JOB_FAILED,
    errors.WaitTimeout: Exit.TIMEOUT,
    errors.Unreachable: Exit.UNREACHABLE,
    errors.Busy: Exit.UNREACHABLE,
}


def exit_of(error: errors.ClientError) -> Exit:
    """The code of an error: its own, or that of the nearest class above it."""
    return next((OF_ERROR[c] for c in type(error).__mro__ if c in OF_ERROR), Exit.GENERAL)

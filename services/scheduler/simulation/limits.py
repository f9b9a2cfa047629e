# SPDX-License-Identifier: Apache-2.0
"""How much is replayed while somebody waits for it."""

from services.common.contracts.errors import Invalid, Problem

SECONDS = 50.0
MOST = 10_000  # requests
MOST_HOSTS = 2000
_FIX = f"send at most {MOST} requests and {MOST_HOSTS} hosts, or replay it by python -m services.scheduler.simulation"


def check_size(requests: int, hosts: int) -> None:
    """Raise Invalid for a trace that nobody should wait for."""
    if requests > MOST or hosts > MOST_HOSTS:
        detail = f"{requests} requests on {hosts} hosts are too many to wait for"
        raise Invalid(detail, [Problem("/trace", detail, _FIX)])


def too_long(seconds: float) -> Invalid:
    """What is said where the time was over before the work was done."""
    detail = f"it was not done within {seconds:g} s, which is all the time that is given"
    return Invalid(detail, [Problem("/", detail, "take fewer requests or hosts, or a shorter time")])

# SPDX-License-Identifier: Apache-2.0
"""Every error the platform knows: a stable code, an HTTP status, and whether trying again can help.

InnkeeperError
├── Invalid              422  the request can't be right; carries one Problem per wrong field
│   └── Unsupported      422  the vm's host has not got what the verb needs; carries who has
├── Malformed            400  not JSON, or not the shape of a request
├── Unauthenticated      401
├── Forbidden            403
├── NotFound             404
├── Conflict             409
│   ├── IllegalMove      409  the state table has no such move
│   ├── QuotaExceeded    409  the project has no more room; carries which figure
│   └── StillRunning     409  the same Idempotency-Key is being answered right now
├── PreconditionFailed   412
├── TooLarge             413
├── WrongMediaType       415
├── PreconditionRequired 428
├── TooManyRequests      429
├── NoHost               422  no host can take the vm; carries the placement trace
├── StepFailed           500  a step can't be done, for good
│   ├── HostFailed            the hypervisor refused
│   ├── ImageFailed           the image or its media can't be made
│   └── GuestFailed           the guest reported failure or never spoke
└── TryAgain             503  not now; later may work
    └── LostLease             somebody else holds the job: drop what you did
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Problem:
    """One wrong field: where it is (JSON pointer), why it is wrong, and what would be right."""

    pointer: str
    detail: str
    fix: str = ""


class InnkeeperError(Exception):
    """Base of all; `detail` is a sentence for a person."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    again: ClassVar[bool] = False

    def __init__(self, detail: str = "", problems: Sequence[Problem] = (), extra: Mapping[str, Any] | None = None):
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.problems = tuple(problems)
        self.extra = dict(extra or {})


class Invalid(InnkeeperError):
    code, status, title = "invalid", 422, "The request is not valid"


class Unsupported(Invalid):
    code, title = "unsupported", "The vm's host can't do this"


class Malformed(InnkeeperError):
    code, status, title = "malformed", 400, "The request could not be read"


class Unauthenticated(InnkeeperError):
    code, status, title = "unauthenticated", 401, "Sign in first"


class Forbidden(InnkeeperError):
    code, status, title = "forbidden", 403, "Your role does not allow this"


class NotFound(InnkeeperError):
    code, status, title = "not-found", 404, "There is no such thing"


class Conflict(InnkeeperError):
    code, status, title = "conflict", 409, "This conflicts with the present state"


class IllegalMove(Conflict):
    code, title = "illegal-state", "Not possible in the present state"


class QuotaExceeded(Conflict):
    code, title = "quota-exceeded", "The project has no room for this"


class StillRunning(Conflict):
    code, title, again = "still-running", "The same request is being answered", True


class PreconditionFailed(InnkeeperError):
    code, status, title = "changed-meanwhile", 412, "The resource has changed"


class TooLarge(InnkeeperError):
    code, status, title = "too-large", 413, "The request is too large"


class WrongMediaType(InnkeeperError):
    code, status, title = "wrong-media-type", 415, "Send application/json"


class PreconditionRequired(InnkeeperError):
    code, status, title = "if-match-required", 428, "Send If-Match with the resource's ETag"


class TooManyRequests(InnkeeperError):
    code, status, title, again = "too-many-requests", 429, "Too many requests", True


class NoHost(InnkeeperError):
    code, status, title = "no-host", 422, "No host can take this vm"


class StepFailed(InnkeeperError):
    code, title = "step-failed", "A step could not be done"


class HostFailed(StepFailed):
    code, title = "host-failed", "The hypervisor refused"


class ImageFailed(StepFailed):
    code, title = "image-failed", "The image could not be made"


class GuestFailed(StepFailed):
    code, title = "guest-failed", "The guest did not come up"


class TryAgain(InnkeeperError):
    code, status, title, again = "unavailable", 503, "Not available right now", True


class NotYet(TryAgain):
    """What is missing may come: the step may be tried until then (epoch seconds), whatever its deadline was."""

    def __init__(self, detail: str, until: float):
        super().__init__(detail)
        self.until = until


class LostLease(TryAgain):
    code, title = "lost-lease", "Another worker holds this job"

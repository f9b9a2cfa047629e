# SPDX-License-Identifier: Apache-2.0
"""Everything this client raises.

ClientError
├── Unreachable          no answer: refused, timed out, dropped; tried again where that is safe
├── NotTheContract       an answer that is not this API's (a proxy's page, a missing field)
├── Refused              the API said no, by application/problem+json
│   ├── NotSignedIn      401, also after a refresh
│   ├── Forbidden        403
│   ├── NotFound         404 (another project's object too)
│   ├── Conflict         409, 412, 428
│   ├── Invalid          400, 413, 415, 422; carries one FieldProblem per wrong field
│   │   ├── NoHost       no host can take the vm (code "no-host")
│   │   └── Unsupported  the vm's host can't do this (code "unsupported")
│   ├── Busy             429, 503, still so after the retries
│   └── ServerFault      any other 5xx: a defect of the server
├── FileChanged          the file that is being sent is not what was announced
├── JobFailed            the job ended failed or cancelled; `job` is how it ended
└── WaitTimeout          the job was not finished in time; it goes on
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from innkeeper.models.job import Job


class ClientError(Exception):
    """Base of all; str() is a sentence for a person."""


class Unreachable(ClientError):
    """The server gave no answer."""


class NotTheContract(ClientError):
    """The answer is not one this API gives."""


@dataclass(frozen=True)
class FieldProblem:
    """One wrong field: where (JSON pointer), why, and what would be right."""

    pointer: str
    detail: str
    fix: str = ""


class Refused(ClientError):
    """An answer with an error status; `body` is the whole problem document."""

    def __init__(self, status: int, body: Mapping[str, Any]):
        self.status = status
        self.body = dict(body)
        self.title = str(body.get("title") or f"HTTP {status}")
        self.detail = str(body.get("detail") or "")
        self.code = str(body.get("code") or "")
        self.trace_id = str(body.get("trace_id") or "")
        self.possible: tuple[str, ...] = ()  # what could be done instead, where somebody asked
        self.problems = tuple(_field_problem(entry) for entry in body.get("errors") or ())
        super().__init__(": ".join(part for part in (self.title, self.detail) if part))


class NotSignedIn(Refused):
    """401: no token, or one that is no longer good."""


class Forbidden(Refused):
    """403: the role does not allow it."""


class NotFound(Refused):
    """404: there is no such thing for you."""


class Conflict(Refused):
    """409, 412 or 428: the present state forbids it, or it changed meanwhile."""


class Invalid(Refused):
    """400, 413, 415 or 422: the request can't be right as it is."""


class NoHost(Invalid):
    """422 with code "no-host": no host can take the vm; `body` holds the placement trace."""


class Unsupported(Invalid):
    """422 with code "unsupported": the vm's host can't do this; `body` says who can."""


class Busy(Refused):
    """429 or 503: not now."""


class ServerFault(Refused):
    """Any other 5xx."""


class FileChanged(ClientError):
    """A file became another one while it was being sent."""


class JobFailed(ClientError):
    """A job ended without success."""

    def __init__(self, job: "Job"):
        self.job = job
        reason = f": {job.error.title}: {job.error.detail}" if job.error else ""
        super().__init__(f"job {job.id} {job.state}{reason}")


class WaitTimeout(ClientError):
    """A job took longer than the caller was ready to wait; it goes on."""

    def __init__(self, job_id: str, seconds: float):
        self.job_id = job_id
        super().__init__(f"job {job_id} is not finished after {seconds:g} s; it goes on")


BY_STATUS: Mapping[int, type[Refused]] = {
    400: Invalid,
    401: NotSignedIn,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: Conflict,
    413: Invalid,
    415: Invalid,
    422: Invalid,
    428: Conflict,
    429: Busy,
    503: Busy,
}


BY_CODE: Mapping[str, type[Refused]] = {"no-host": NoHost, "unsupported": Unsupported}


def refusal(status: int, body: Mapping[str, Any]) -> Refused:
    """The exception for an error status and its problem document."""
    kind = BY_CODE.get(str(body.get("code")))
    if kind is not None:
        return kind(status, body)
    return BY_STATUS.get(status, ServerFault if status >= 500 else Refused)(status, body)


def _field_problem(entry: Any) -> FieldProblem:
    """Tolerates the plain strings of the compatibility routes."""
    if not isinstance(entry, Mapping):
        return FieldProblem("", str(entry))
    return FieldProblem(str(entry.get("pointer", "")), str(entry.get("detail", "")), str(entry.get("fix", "")))

# SPDX-License-Identifier: Apache-2.0
"""The Innkeeper client: one HTTP request, one virtual machine.

    with Client("http://127.0.0.1:8080") as inn:
        inn.login("ada", password)
        created = inn.vms.create({"name": "web-1", "os": "debian-12", "flavor": "small"})
        inn.jobs.wait(created.job.id)

Names are loaded when first used, so that `inn --version` starts at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from innkeeper.client import Client
    from innkeeper.errors import ClientError, JobFailed, Refused, Unreachable, WaitTimeout
    from innkeeper.models.account import Project, Tokens, User
    from innkeeper.models.catalogue import Flavor, Media, Network, Os
    from innkeeper.models.host import Host
    from innkeeper.models.job import Job, JobEvent, JobStep
    from innkeeper.models.placement import Explanation
    from innkeeper.models.vm import Vm
    from innkeeper.models.volume import Volume
    from innkeeper.retry import RetryPolicy
    from innkeeper.watch import WatchPolicy

_HOME = {
    "Client": "client",
    "ClientError": "errors",
    "Explanation": "models.placement",
    "Flavor": "models.catalogue",
    "Host": "models.host",
    "Job": "models.job",
    "JobEvent": "models.job",
    "JobFailed": "errors",
    "JobStep": "models.job",
    "Media": "models.catalogue",
    "Network": "models.catalogue",
    "Os": "models.catalogue",
    "Project": "models.account",
    "Refused": "errors",
    "RetryPolicy": "retry",
    "Tokens": "models.account",
    "Unreachable": "errors",
    "User": "models.account",
    "Vm": "models.vm",
    "Volume": "models.volume",
    "WaitTimeout": "errors",
    "WatchPolicy": "watch",
}

__all__ = [
    "Client",
    "ClientError",
    "Explanation",
    "Flavor",
    "Host",
    "Job",
    "JobEvent",
    "JobFailed",
    "JobStep",
    "Media",
    "Network",
    "Os",
    "Project",
    "Refused",
    "RetryPolicy",
    "Tokens",
    "Unreachable",
    "User",
    "Vm",
    "Volume",
    "WaitTimeout",
    "WatchPolicy",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)

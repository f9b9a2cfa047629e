# SPDX-License-Identifier: Apache-2.0
"""Every table, for those who need the whole metadata."""

from services.common.store.base import Base
from services.common.store.catalogue import AddressLease, Flavor, Media, Network
from services.common.store.datastores import HostDatastore
from services.common.store.drifts import DriftEntry
from services.common.store.evidence import Evidence
from services.common.store.guest_tools import GuestTools
from services.common.store.guests import GuestMessage, GuestToken
from services.common.store.host_failures import HostFailure
from services.common.store.hosts import Claim, ClaimGroup, Host, Installation, Leader, StoredDecision
from services.common.store.images import Image
from services.common.store.jobs import Job, JobEvent, JobStep, Outbox
from services.common.store.moves_taken import TakenMove
from services.common.store.policies import Activation, StoredPolicy
from services.common.store.projects import ApiToken, IdempotencyKey, Membership, Project, RevokedToken, User
from services.common.store.snapshots import Snapshot
from services.common.store.surveys import HostSurvey
from services.common.store.vm_loads import VmLoad
from services.common.store.vms import Vm
from services.common.store.volumes import Volume

__all__ = [
    "Activation",
    "AddressLease",
    "ApiToken",
    "Base",
    "Claim",
    "ClaimGroup",
    "DriftEntry",
    "Evidence",
    "Flavor",
    "GuestMessage",
    "GuestToken",
    "GuestTools",
    "Host",
    "HostDatastore",
    "HostFailure",
    "HostSurvey",
    "IdempotencyKey",
    "Image",
    "Installation",
    "Job",
    "JobEvent",
    "JobStep",
    "Leader",
    "Media",
    "Membership",
    "Network",
    "Outbox",
    "Project",
    "RevokedToken",
    "Snapshot",
    "StoredDecision",
    "StoredPolicy",
    "TakenMove",
    "User",
    "Vm",
    "VmLoad",
    "Volume",
]

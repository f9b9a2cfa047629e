# SPDX-License-Identifier: Apache-2.0
"""The table: every URL, its method, who may call it, what goes in and what comes out.

Roles are ranks (services.api.access.Role). Changes run in one transaction and take ?dry_run; every POST takes an
Idempotency-Key. Chapters are the first part of the path.
"""

from marshmallow import Schema

from services.api.access import Role
from services.api.handlers import (
    catalogue,
    events,
    hosts,
    jobs,
    operation,
    placements,
    project_events,
    resizing,
    vm_verbs,
    vms,
)
from services.api.route import Handler, Route
from services.api.routes.accounts import ACCOUNT_ROUTES
from services.api.routes.audit import AUDIT_ROUTES
from services.api.routes.cards import CARD_ROUTES
from services.api.routes.drift import DRIFT_ROUTES
from services.api.routes.guests import GUEST_ROUTES
from services.api.routes.images import IMAGE_ROUTES
from services.api.routes.media import MEDIA_ROUTES
from services.api.routes.policies import POLICY_ROUTES
from services.api.routes.snapshots import SNAPSHOT_ROUTES
from services.api.routes.volumes import VOLUME_ROUTES
from services.api.schemas import catalogue as c
from services.api.schemas import hosts as h
from services.api.schemas import jobs as j
from services.api.schemas import vms as v
from services.api.schemas.pieces import Changing, Reading

PUBLIC, USER, VIEWER, MEMBER = Role.PUBLIC, Role.USER, Role.VIEWER, Role.MEMBER
OPERATOR, ADMIN = Role.OPERATOR, Role.ADMIN
READ, CHANGE = Reading(), Changing()


def _verb(name: str, handler: Handler) -> Route:
    return Route("POST", f"/v1/vms/{{vm_id}}/{name}", handler, MEMBER, v.VmAndJob(), query=CHANGE, status=202)


def _control(name: str, handler: Handler) -> Route:
    return Route("POST", f"/v1/jobs/{{job_id}}/{name}", handler, MEMBER, j.JobAnswer(), query=CHANGE, status=202)


def _host(name: str, handler: Handler) -> Route:
    return Route("POST", f"/v1/hosts/{{host_id}}/{name}", handler, ADMIN, h.HostShape(), query=CHANGE, project=False)


def _question(path: str, handler: Handler, answer: Schema, body: Schema) -> Route:
    """A POST that changes nothing: another service is asked."""
    return Route("POST", path, handler, MEMBER, answer, body, reads_only=True, streams=True, idempotent=False)


VM_ROUTES = (
    Route("GET", "/v1/vms", vms.listing, VIEWER, v.VM_PAGE, query=v.VM_LIST),
    Route("POST", "/v1/vms", vms.create, MEMBER, v.VmAndJob(), v.VmAsked(), CHANGE, 202, prepare=vms.prepared),
    Route("GET", "/v1/vms/{vm_id}", vms.get, VIEWER, v.VmShape(), query=READ),
    Route("PATCH", "/v1/vms/{vm_id}", vms.change, MEMBER, v.VmShape(), v.VmChanges(), CHANGE),
    Route("DELETE", "/v1/vms/{vm_id}", vms.delete, MEMBER, v.VmAndJob(), query=v.Deleting(), status=202),
    _verb("start", vms.start),
    _verb("stop", vms.stop),
    _verb("force-stop", vms.force_stop),
    _verb("reboot", vms.reboot),
    _verb("reset", vm_verbs.reset),
    _verb("suspend", vm_verbs.suspend),
    _verb("resume", vm_verbs.resume),
    _verb("rebuild", vm_verbs.rebuild),
    Route("POST", "/v1/vms/{vm_id}/clone", vm_verbs.clone, MEMBER, v.VmAndJob(), v.CloneAsked(), CHANGE, 202),
    Route("POST", "/v1/vms/{vm_id}/resize", resizing.resize, MEMBER, v.VmAndJob(), v.ResizeAsked(), CHANGE, 202),
)

JOB_ROUTES = (
    Route("GET", "/v1/jobs", jobs.listing, VIEWER, j.JOB_PAGE, query=j.JOB_LIST),
    Route("GET", "/v1/jobs/{job_id}", jobs.get, VIEWER, j.JobShape(), query=READ),
    Route("GET", "/v1/jobs/{job_id}/events", events.of_job, VIEWER, j.EVENT_PAGE, query=j.EventsQuery(), streams=True),
    _control("cancel", jobs.cancel),
    _control("retry", jobs.retry),
    _control("rollback", jobs.rollback),
    Route("GET", "/v1/events", project_events.of_project, VIEWER, j.EVENT_PAGE, query=j.FeedQuery(), streams=True),
)

CATALOGUE_ROUTES = (
    Route("GET", "/v1/os", catalogue.systems, VIEWER, c.OS_PAGE, query=READ),
    Route("GET", "/v1/flavors", catalogue.flavors, VIEWER, c.FLAVOR_PAGE, query=c.FLAVOR_LIST),
    Route("POST", "/v1/flavors", catalogue.add_flavor, ADMIN, c.FlavorShape(), c.FlavorAsked(), CHANGE, 201),
    Route("GET", "/v1/networks", catalogue.networks, VIEWER, c.NETWORK_PAGE, query=c.NETWORK_LIST),
    Route("POST", "/v1/networks", catalogue.add_network, OPERATOR, c.NetworkShape(), c.NetworkAsked(), CHANGE, 201),
    Route("GET", "/v1/networks/{network_id}", catalogue.network, VIEWER, c.NetworkShape(), query=READ),
    Route(
        "PATCH",
        "/v1/networks/{network_id}",
        catalogue.change_network,
        OPERATOR,
        c.NetworkShape(),
        c.NetworkChanges(),
        CHANGE,
    ),
    Route("DELETE", "/v1/networks/{network_id}", catalogue.drop_network, OPERATOR, query=CHANGE, status=204),
)

HOST_ROUTES = (
    Route("GET", "/v1/hosts", hosts.listing, USER, h.HOST_PAGE, query=h.HOST_LIST, project=False),
    Route("POST", "/v1/hosts", hosts.register, ADMIN, h.Enrolment(), h.HostAsked(), CHANGE, 201, project=False),
    Route("GET", "/v1/hosts/{host_id}", hosts.get, USER, h.HostShape(), query=READ, project=False),
    Route("PATCH", "/v1/hosts/{host_id}", hosts.change, ADMIN, h.HostShape(), h.HostChanges(), CHANGE, project=False),
    Route("DELETE", "/v1/hosts/{host_id}", hosts.drop, ADMIN, query=CHANGE, status=204, project=False),
    _host("drain", hosts.drain),
    _host("maintenance", hosts.maintenance),
    _host("activate", hosts.activate),
    Route("POST", "/v1/hosts/{host_id}/sleep", hosts.sleep, ADMIN, h.HostAndJob(), query=CHANGE, status=202),
    Route("POST", "/v1/hosts/{host_id}/wake", hosts.wake, ADMIN, h.HostAndJob(), query=CHANGE, status=202),
    Route(
        "GET", "/v1/hosts/{host_id}/capabilities", hosts.capabilities, USER, h.Capabilities(), query=READ, project=False
    ),
    Route("GET", "/v1/hosts/{host_id}/power", hosts.power, ADMIN, h.HostPowerShape(), query=READ, project=False),
    Route(
        "POST",
        "/v1/hosts:consolidate",
        placements.consolidate,
        ADMIN,
        h.ConsolidationPlan(),
        h.Consolidate(),
        reads_only=True,
        streams=True,
        idempotent=False,
        project=False,
    ),
    Route(
        "POST",
        "/v1/hosts:take-moves",
        placements.take_moves,
        ADMIN,
        h.ConsolidationPlan(),
        h.Consolidate(),
        CHANGE,
        project=False,
        prepare=placements.planned,
    ),
    _question("/v1/placements:explain", placements.explain, h.Explanation(), h.Explain()),
)

OPERATION_ROUTES = (
    Route("GET", "/healthz", operation.health, PUBLIC, project=False, streams=True),
    Route("GET", "/readyz", operation.ready, PUBLIC, project=False, streams=True),
    Route("GET", "/metrics", operation.metrics, PUBLIC, project=False, streams=True, media="text/plain"),
)

ROUTES: tuple[Route, ...] = (
    *ACCOUNT_ROUTES,
    *VM_ROUTES,
    *SNAPSHOT_ROUTES,
    *DRIFT_ROUTES,
    *VOLUME_ROUTES,
    *CARD_ROUTES,
    *GUEST_ROUTES,
    *JOB_ROUTES,
    *CATALOGUE_ROUTES,
    *MEDIA_ROUTES,
    *IMAGE_ROUTES,
    *HOST_ROUTES,
    *POLICY_ROUTES,
    *AUDIT_ROUTES,
    *OPERATION_ROUTES,
)

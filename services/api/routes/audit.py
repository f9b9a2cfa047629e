# SPDX-License-Identifier: Apache-2.0
"""What nobody owns."""

from services.api.access import Role
from services.api.handlers import audit
from services.api.route import Route
from services.api.schemas.audit import AuditQuery, AuditShape

AUDIT_ROUTES = (
    Route(
        "GET",
        "/v1/audit/orphans",
        audit.orphans,
        Role.ADMIN,
        AuditShape(),
        query=AuditQuery(),
        project=False,
        streams=True,
    ),
)

# SPDX-License-Identifier: Apache-2.0
"""The query of what can be seen of a vm."""

from marshmallow import Schema

from services.api.schemas.pieces import text


class EvidenceQuery(Schema):
    """Of this moment, or of the moment a job broke."""

    job = text(most=36, help="What was kept when this job stalled or its guest failed, rather than a new look")

# SPDX-License-Identifier: Apache-2.0
"""Images without a vm."""

from marshmallow import Schema, fields, validate

from services.api.schemas.pieces import Reading, listing, moment, page_of


class ImageBuilding(Schema):
    """The query of an order."""

    dry_run = fields.Boolean(load_default=False, metadata={"description": "Check everything, build nothing"})
    stream = fields.Boolean(
        load_default=False,
        metadata={"description": "Answer with the bytes and keep nothing (or Accept: application/octet-stream)"},
    )


class ImageDownload(Schema):
    """The query of an image's bytes."""

    t = fields.String(load_default="", metadata={"description": "The token of the image's url"})


class ImageShape(Schema):
    """An image that was ordered without a vm."""

    id = fields.String()
    name = fields.String()
    os = fields.String()
    state = fields.String(validate=validate.OneOf(("building", "built")))
    macs = fields.List(
        fields.String(),
        metadata={"description": 'What the machine\'s cards must have, by link; "": its only card will do'},
    )
    size = fields.Integer(allow_none=True)
    sha256 = fields.String(metadata={"description": '"" where it is known only to whoever reads all of it'})
    url = fields.String(metadata={"description": "Its bytes; needs no other token, and is good for minutes"})
    url_expires_at = moment("The url is good until; GET the image for another")
    created_at = moment("Ordered at")
    expires_at = moment("Removed after")
    etag = fields.String()
    files = fields.List(fields.Dict(), metadata={"description": "Only with ?dry_run=true: what would be in it"})
    dry_run = fields.Boolean(metadata={"description": "Only with ?dry_run=true"})


IMAGE_LIST = listing("Images", ("name", "created_at"), "-created_at")
IMAGE_PAGE = page_of(ImageShape)
IMAGE_READ = Reading()

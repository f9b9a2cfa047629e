# SPDX-License-Identifier: Apache-2.0
"""Media: as asked for, as shown, and how far one is that is being sent."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from services.api import grammar
from services.api.schemas.jobs import JobShape
from services.api.schemas.pieces import Flag, listing, moment, page_of, text, whole
from services.api.views.media import COLLECTED
from services.common.contracts.states import MediaState

LARGEST = 2**53 - 1


class MediaAsked(Schema):
    """A medium to be imported: by its URL, or sent by you."""

    name = text(grammar.object_name, required=True)
    url = fields.String(validate=grammar.url, metadata={"description": "Where it is fetched from; or upload"})
    upload = Flag(load_default=False, metadata={"description": "You send it, by PUT to the upload's URL"})
    size = whole(1, LARGEST, "With upload: its bytes")
    sha256 = text(grammar.sha256, required=True)
    kind = fields.String(
        load_default="cloud-image",
        validate=validate.OneOf(("cloud-image", "iso"), error="{input!r} is unknown -> cloud-image or iso"),
    )
    os = text(load_default="", help="The entry of GET /v1/os this is the image of")
    protect = Flag(metadata={"description": "Never collected to make room; [true for what you send, else false]"})

    @validates_schema
    def one_way(self, data: dict[str, Any], **_: Any) -> None:
        """A URL, or an upload and its size."""
        if data.get("upload"):
            if "url" in data:
                raise ValidationError({"url": ["not beside upload -> give the URL, or upload and size"]})
            if "size" not in data:
                raise ValidationError({"size": ["an upload needs its size -> the file's size in bytes"]})
        elif "url" not in data:
            raise ValidationError({"url": ["nothing says where it is -> give its URL, or upload: true and size"]})
        elif "size" in data:
            raise ValidationError({"size": ["a URL's size is found out -> leave it out, or upload: true without url"]})


class MediaChanges(Schema):
    """What of a medium can be changed."""

    protect = Flag(metadata={"description": "Never collected to make room"})


class MediaShape(Schema):
    """A vendor's ISO or cloud image."""

    id = fields.String()
    name = fields.String()
    os = fields.String()
    kind = fields.String()
    url = fields.String(metadata={"description": "Empty: it was sent"})
    upload = fields.Boolean()
    sha256 = fields.String()
    kept_sha256 = fields.String(
        metadata={
            "description": "Of what is kept, once it is here: of an OVA or a VMDK its disk, as a qcow2; else the same"
        }
    )
    size = fields.Integer(allow_none=True)
    state = fields.String(
        validate=validate.OneOf([*(str(s) for s in MediaState), COLLECTED]),
        metadata={"description": "collected: its file made room for others; POST .../import brings it back"},
    )
    protect = fields.Boolean()
    job = fields.String(allow_none=True)
    error = fields.String()
    created_at = moment("Asked for at")
    last_used_at = moment("An image was last made from it at")
    collected_at = moment("Its file made room for others at")
    etag = fields.String()


class UploadShape(Schema):
    """How far the sending of a medium is: go on from `offset`."""

    url = fields.String(metadata={"description": "PUT its bytes here, with Content-Range"})
    offset = fields.Integer(metadata={"description": "Bytes that are here"})
    size = fields.Integer(metadata={"description": "Bytes it has"})
    job = fields.Nested(JobShape(), allow_none=True, metadata={"description": "Once all are here: its import"})


class MediaAndJob(Schema):
    """What an import answers: the job, or where to send the medium."""

    media = fields.Nested(MediaShape())
    job = fields.Nested(JobShape(), allow_none=True)
    upload = fields.Nested(UploadShape(), allow_none=True)
    dry_run = fields.Boolean()


MEDIA_LIST = listing("Media", ("name", "created_at", "state"), "-created_at", os=fields.String())
MEDIA_PAGE = page_of(MediaShape)

"""The state of a rotation as the page shows it."""

from marshmallow import fields as f

from helpline.foundation.access.permissions import FieldGroup
from helpline.web.schema import Out


class RotationOut(Out):
    """How far a rotation came."""

    group = FieldGroup.STATISTICS

    id = f.UUID(required=True)
    started_at = f.AwareDateTime(required=True)
    master_version = f.Integer(allow_none=True)
    total = f.Integer(required=True)
    done = f.Integer(required=True)
    unread = f.Integer(required=True)
    finished_at = f.AwareDateTime(allow_none=True)
    retire_asked_at = f.AwareDateTime(allow_none=True)
    retire_tried_at = f.AwareDateTime(allow_none=True)
    retire_left = f.Integer(allow_none=True)
    retired_at = f.AwareDateTime(allow_none=True)

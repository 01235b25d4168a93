"""Messages as pages and the API show them."""

from marshmallow import fields as f
from marshmallow.validate import OneOf

from helpline.foundation.access.permissions import FieldGroup
from helpline.notifications.vocabulary import MessageChannel, MessageState
from helpline.web.schema import In, Out, Page, RecordOut


class MessageOut(RecordOut):
    """A message in somebody's inbox, or one whose delivery needs a human. `template` names its text."""

    kind = "message"
    group = FieldGroup.DIRECTORY

    id = f.UUID(required=True)
    recipient_id = f.UUID(allow_none=True, metadata={"description": "A member of staff; none for an agency"})
    template = f.String(required=True)
    params = f.Dict(required=True, metadata={"description": "Ids, enums and times"})
    channel = f.String(validate=OneOf(list(MessageChannel)))
    state = f.String(validate=OneOf(list(MessageState)))
    created_at = f.AwareDateTime()
    sent_at = f.AwareDateTime(allow_none=True)
    read_at = f.AwareDateTime(allow_none=True)
    error_code = f.String(allow_none=True)


class MessagePage(Page):
    items = f.List(f.Nested(MessageOut), metadata={"group": FieldGroup.DIRECTORY})


class After(In):
    """Where a list goes on."""

    group = FieldGroup.ACCOUNT

    after = f.String(load_default=None, allow_none=True)


class ResolutionIn(In):
    """What a human found out about a message nobody knew the end of."""

    group = FieldGroup.ACCOUNT

    arrived = f.Boolean(required=True)


class OutcomeOut(Out):
    group = FieldGroup.DIRECTORY

    id = f.UUID()
    state = f.String()

"""Whose messages a person sees: their own; who answers for delivery also sees the centre's mail."""

from helpline.foundation.access.rows import visible

MESSAGES = (
    visible("message", owner="recipient_id")
    + " OR channel = 'mail' AND centre_id = ANY ((SELECT app.centres_of('delivery'))::uuid[])"
)
# Anybody who acts may cause a message to somebody else.
MESSAGES_INSERT = "(SELECT app.actor_id()) IS NOT NULL"
# Restrictive: what was said of a case before it was closed to somebody is out of their sight too.
MESSAGES_DENIED = (
    "(params ->> 'case_id') IS NULL OR (params ->> 'case_id') <> ALL ((SELECT app.denied('case'))::text[])"
)

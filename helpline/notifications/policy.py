"""Whose messages a person sees: their own; who answers for delivery also sees the centre's mail."""

from helpline.foundation.access.rows import visible

MESSAGES = (
    visible("message", owner="recipient_id")
    + " OR channel = 'mail' AND centre_id = ANY ((SELECT app.centres_of('delivery'))::uuid[])"
)
# Anybody who acts may cause a message to somebody else.
MESSAGES_INSERT = "(SELECT app.actor_id()) IS NOT NULL"

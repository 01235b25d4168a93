"""Who sees a call, and what belongs to it."""

from helpline.foundation.access.rows import part_of, visible

CALLS = visible("call", team="team_id", owner="operator_id")
# Whoever sees a row by being its writer or of its team still writes into their own centre alone.
OWN_CENTRE = "(centre_id = (SELECT app.actor_centre()) OR centre_id = ANY ((SELECT app.centres_of('call'))::uuid[]))"
CALLS_WRITTEN = f"({CALLS}) AND {OWN_CENTRE}"
PART_OF_CALL = part_of("calls", "call", "call_id")
DRAFTS = "user_id = (SELECT app.actor_id())"

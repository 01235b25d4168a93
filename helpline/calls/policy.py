"""Who sees a call, and what belongs to it."""

from helpline.foundation.access.rows import part_of, visible

CALLS = visible("call", team="team_id", owner="operator_id")
PART_OF_CALL = part_of("calls", "call", "call_id")
DRAFTS = "user_id = (SELECT app.actor_id())"

"""Who sees the state of the keys: it holds no key. Locking and unlocking are definer functions that check who signs."""

KEY_STATE = "(SELECT app.actor_id()) IS NOT NULL"
KEY_STATE_LINK = "(SELECT app.actor() ->> 'r') = 'admin'"
KEY_ROTATIONS = "(SELECT app.actor() ->> 'r') IN ('admin', 'keeper', 'rotator')"
# Every table of records, for the role that a rotation steps down to; its privileges are `id` and `record_key` alone.
ROTATED = "(SELECT app.actor() ->> 'r') = 'rotator'"

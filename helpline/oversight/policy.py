"""Who sees an alert about somebody's reading: the centre's supervisors and auditors, but never whom it is about."""

from helpline.foundation.access.rows import visible

READING_ALERTS = f"({visible('alert')}) AND user_id IS DISTINCT FROM (SELECT app.actor_id())"

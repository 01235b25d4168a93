"""Who sees who is shut out of a case, and who sees overrides.

Who may close cases sees the closings of those they see, but not by an override, and none against themselves. An
override is seen by whoever broke the glass and by who reviews, never by whom its case is closed to.
"""

from helpline.foundation.access.rows import part_of

_ME, _ROLE = "(SELECT app.actor_id())", "(SELECT app.actor() ->> 'r')"

CLOSINGS = (
    f"{_ROLE} IN ('team_supervisor', 'supervisor') AND principal_id <> {_ME}"
    f" AND case_id <> ALL ((SELECT app.overridden())::uuid[]) AND {part_of('cases', 'case', 'case_id')}"
)
OVERRIDES = (
    f"(user_id = {_ME} OR centre_id = ANY ((SELECT app.centres_of('glass'))::uuid[])"
    " OR team_id = ANY ((SELECT app.teams_of('glass'))::uuid[]))"
    " AND case_id <> ALL ((SELECT app.denied('case'))::uuid[])"
)

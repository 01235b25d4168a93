"""Who sees centres, teams, staff, sessions and tokens. Credentials are seen by nobody: definer functions ask them."""

_OF_CENTRE = "ANY ((SELECT app.centres_of('user'))::uuid[])"

CENTRES = f"id = (SELECT app.actor_centre()) OR id = {_OF_CENTRE}"
CENTRES_WRITTEN = f"id = {_OF_CENTRE}"
TEAMS = f"centre_id = {_OF_CENTRE}"
ROLES = f"centre_id = (SELECT app.actor_centre()) OR centre_id = {_OF_CENTRE}"
USERS = f"id = (SELECT app.actor_id()) OR centre_id = {_OF_CENTRE}"
TEAM_MEMBERS = "EXISTS (SELECT 1 FROM users u WHERE u.id = user_id)"
TEAM_MEMBERS_WRITTEN = f"{TEAM_MEMBERS} AND EXISTS (SELECT 1 FROM teams t WHERE t.id = team_id)"
# Sessions and tokens are their owner's; an administrator may end them, of their centre's staff.
OWNED = f"user_id = (SELECT app.actor_id()) OR ((SELECT app.actor() ->> 'r') IN ('admin', 'keeper') AND {TEAM_MEMBERS})"
API_TOKENS_WRITTEN = "user_id = (SELECT app.actor_id())"
API_TOKENS_REVOKED = "revoked_at IS NOT NULL"
# Whoever decides sees their centre's; whom it is about sees that it was asked.
APPROVALS = "centre_id = ANY ((SELECT app.centres_of('approval'))::uuid[]) OR subject_id = (SELECT app.actor_id())"
FACTORS = "user_id = (SELECT app.actor_id())"  # second factors and recovery codes are their owner's alone

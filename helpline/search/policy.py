"""Who sees searches, and what the process that knows names reads."""

# One's own; and auditors count their centre's.
SEARCHES = "actor_id = (SELECT app.actor_id()) AND centre_id = (SELECT app.actor_centre())"
SEARCHES_COUNTED = "centre_id = ANY ((SELECT app.centres_of('audit'))::uuid[])"
# On persons, calls and call_children, for the login helpline_search alone, of the columns that it may read.
SEARCHER = "(SELECT app.actor() ->> 'r') = 'searcher'"

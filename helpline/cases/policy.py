"""Whose cases a person sees: those they opened, those given to them, their team's or their centre's, by role.

A caseworker sees a case through the grant that assignment writes; its notes, timeline and obligations go with it.
"""

from helpline.foundation.access.rows import part_of, visible

CASES = visible("case", team="team_id", owner="opened_by")
# A partner's link reaches the case, never what staff wrote about it.
CASE_NOTES = part_of("cases", "case", "case_id") + " AND (SELECT app.actor() ->> 'r') <> 'partner'"
CASE_EVENTS = part_of("cases", "case", "case_id")
CASE_OBLIGATIONS = part_of("cases", "case", "case_id")
# A number says nothing about a child; whoever opens a case in a centre counts on.
CASE_COUNTERS = "centre_id = (SELECT app.actor_centre())"
# Whoever sees a case sees whose it is (people's own rule knows calls alone).
PERSONS_OF_CASES = "EXISTS (SELECT 1 FROM cases parent WHERE parent.child_person_id = persons.id)"

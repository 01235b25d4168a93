"""Who sees a person: whoever sees a call that tells of them (cases add their own way in)."""

from helpline.foundation.access.rows import visible

PERSONS = (
    f"({visible('person')}) OR centre_id = ANY ((SELECT app.centres_of('call'))::uuid[])"
    " OR EXISTS (SELECT 1 FROM call_children link WHERE link.person_id = persons.id)"
    " OR EXISTS (SELECT 1 FROM calls call WHERE call.caller_person_id = persons.id)"
)
# Restrictive: to whom a case is closed sees its child by no other way either.
PERSONS_DENIED = "id <> ALL ((SELECT app.denied('person'))::uuid[])"
# Whoever adds a person may, in their own centre; the call that tells of them follows in the same statement's unit.
OWN_CENTRE = "(centre_id = (SELECT app.actor_centre()) OR centre_id = ANY ((SELECT app.centres_of('call'))::uuid[]))"
PERSONS_INSERT = f"added_by = (SELECT app.actor_id()) AND {OWN_CENTRE}"

"""Who sees exports, entries of the disclosure ledger, demands and breaches.

The ledger itself is told by a function of the database (`app.disclosures_of`), to those who reach the case and to those
who may read the register: codes and times alone. The words of an entry by hand are read with the case.
"""

from helpline.foundation.access.rows import part_of, visible

_ROLE = "(SELECT app.actor() ->> 'r')"
_NOT_DENIED = "NOT case_ids && (SELECT app.denied('case'))::uuid[]"

EXPORTS = f"({visible('export', team='team_id')}) AND {_NOT_DENIED}"
DISCLOSURES = f"{part_of('cases', 'case', 'case_id')} AND {_ROLE} <> 'partner'"
DEMANDS = f"centre_id = ANY ((SELECT app.centres_of('demand'))::uuid[]) AND {_NOT_DENIED}"
BREACHES = "centre_id = ANY ((SELECT app.centres_of('breach'))::uuid[])"

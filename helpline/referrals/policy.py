"""Who sees referrals, and what a partner's link opens.

A referral is seen by whoever sees its case. A partner's link reaches the case through a grant that lives as long as
the asking, and of the case's referrals its own alone.
"""

from collections.abc import Mapping
from typing import Any

from helpline.foundation.access.permissions import FieldGroup
from helpline.foundation.access.rows import part_of

REFERRALS = (
    part_of("cases", "case", "case_id")
    + " AND ((SELECT app.actor() ->> 'r') <> 'partner' OR id = ANY ((SELECT app.granted('referral'))::uuid[]))"
)
REFERRAL_ASKS = (
    part_of("cases", "case", "case_id")
    + " AND ((SELECT app.actor() ->> 'r') <> 'partner' OR id = (SELECT app.actor_id()))"
)
# Restrictive, on people: the grant on the case does not carry that far. The one name that a partner may read, after a
# yes, comes through `app.asked_child()`.
PERSONS_NOT_TO_PARTNERS = "(SELECT app.actor() ->> 'r') <> 'partner'"

G = FieldGroup
# What an agency needs to know to answer at all: the service, an age band, the district, how soon.
BEFORE = frozenset({G.CASE_ADMINISTRATION, G.STATISTICS, G.LOCATION, G.RISK})
# What opens once it has accepted, if the child or family agreed to the service.
AFTER = BEFORE | {G.CHILD_IDENTITY, G.STORY}
# Never withheld: that there is a request, for which service. Without it nobody could answer.
_NEEDED = frozenset({G.CASE_ADMINISTRATION})


def opens(consent: Mapping[str, Any], *, accepted: bool) -> frozenset[FieldGroup]:
    """The field groups that a partner's link shows under this consent (`cases.commands.Consent.document`).

    Name and story need a yes to services that no "no" to disclosure takes back; unknown is not a yes.
    """
    withheld = {FieldGroup(group) for group in consent.get("withhold", ())} - _NEEDED
    if G.CHILD_IDENTITY in withheld:  # name, age and gender
        withheld |= {G.STATISTICS}
    agreed = consent.get("services") == "yes" and consent.get("disclosure") != "no"
    return (AFTER if accepted and agreed else BEFORE) - withheld


def forbids(consent: Mapping[str, Any]) -> bool:
    """Whether nobody may be asked at all."""
    return consent.get("services") == "no"

"""Every code that the database may hold has a word."""

import pytest

from helpline.calls import vocabulary as calls
from helpline.foundation.access.permissions import FieldGroup, Permission, SystemActor
from helpline.foundation.context import Channel
from helpline.imports.vocabulary import ImportState
from helpline.people.vocabulary import AgeBand, AgeKnown, Gender
from helpline.referrals.vocabulary import ReferralState
from helpline.web.words import WORDS

VOCABULARIES = {
    "risk": calls.RiskLevel, "channel": calls.CallChannel, "direction": calls.Direction, "kind": calls.CallKind,
    "gender": Gender, "adult_gender": Gender, "age_known": AgeKnown, "age_band": AgeBand, "relation": calls.Relation,
    "answer": calls.Answer, "action": calls.CallAction, "source": calls.CallSource, "referral_state": ReferralState,
    "import_state": ImportState, "permission": Permission, "field_group": FieldGroup, "machine": SystemActor,
    "door": Channel,
}  # fmt: skip


@pytest.mark.parametrize("name", VOCABULARIES)
def test_every_code_has_a_word(name):
    assert {code.value for code in VOCABULARIES[name]} == set(WORDS[name])

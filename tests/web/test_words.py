"""Every code that the database may hold has a word."""

import ast
import re
from itertools import chain

import pytest

import helpline.app  # noqa: F401  # every slice's schemas, through what wires them
from helpline.accounts.vocabulary import ApprovalKind, ApprovalState
from helpline.calls import vocabulary as calls
from helpline.cases.vocabulary import CaseAction
from helpline.foundation.access.permissions import FieldGroup, Permission, SystemActor
from helpline.foundation.context import Channel
from helpline.imports.vocabulary import ImportState
from helpline.notifications.vocabulary import MessageState
from helpline.oversight.vocabulary import AlertKind, Witness
from helpline.people.vocabulary import AgeBand, AgeKnown, Gender
from helpline.referrals.vocabulary import ReferralState
from helpline.registers import vocabulary as registers
from helpline.retention.vocabulary import RecordKind, RuleKind
from helpline.settings import ROOT
from helpline.web.deeds import SAID, VALUES
from helpline.web.schema import RecordOut
from helpline.web.words import WORDS, detail_word

VOCABULARIES = {
    "risk": calls.RiskLevel, "channel": calls.CallChannel, "direction": calls.Direction, "kind": calls.CallKind,
    "gender": Gender, "adult_gender": Gender, "age_known": AgeKnown, "age_band": AgeBand, "relation": calls.Relation,
    "answer": calls.Answer, "action": calls.CallAction, "source": calls.CallSource, "referral_state": ReferralState,
    "import_state": ImportState, "permission": Permission, "field_group": FieldGroup, "machine": SystemActor,
    "door": Channel, "witness": Witness, "alert": AlertKind,
    "recipient": registers.Recipient, "means": registers.Means, "disclosure_basis": registers.Basis,
    "withheld": registers.Withheld, "section": registers.Section, "left": registers.Left,
    "authority": registers.Authority, "demand_basis": registers.DemandBasis, "told": registers.Told,
    "demand_outcome": registers.DemandOutcome, "affected": registers.Affected, "breach_step": registers.BreachStep,
    "breach_state": registers.BreachState,
}  # fmt: skip


@pytest.mark.parametrize("name", VOCABULARIES)
def test_every_code_has_a_word(name):
    assert {code.value for code in VOCABULARIES[name]} == set(WORDS[name])


SERVICES = [path.read_text() for path in sorted((ROOT / "helpline").rglob("services*/**/*.py"))] + [
    path.read_text() for path in sorted((ROOT / "helpline").glob("*/services.py"))
]
KINDS = set(WORDS["record"])
# What is made of a state in the code that records it: `f"message.{state.value}"`.
MADE = {
    "message": {MessageState.SENT, MessageState.FAILED, MessageState.NOT_SENT, MessageState.UNKNOWN},
    "approval": set(ApprovalState) - {ApprovalState.EXPIRED},
    "import": {ImportState.CHECKING, ImportState.IMPORTING},
    "referral": {ReferralState.SERVICE_STARTED, ReferralState.DELIVERED, ReferralState.NOT_DELIVERED, "declined", "expired", "taken_back"},
}  # fmt: skip
# Dotted names in services that are no deeds: failpoints.
NO_DEEDS = {"import.row"}


def schemas(schema=RecordOut):
    return chain.from_iterable([each, *schemas(each)] for each in schema.__subclasses__())


def deeds():
    """Every action that the services record, and every reading."""
    written = {found for text in SERVICES for found in re.findall(r'"([a-z_]+\.[a-z_]+)"', text)}
    made = {f"{kind}.{state}" for kind, states in MADE.items() for state in states}
    shown = {
        f"{schema.kind}.shown" for schema in schemas() if schema.kind and schema.__module__.startswith("helpline.")
    }
    return (
        {deed for deed in written if deed.partition(".")[0] in KINDS} - NO_DEEDS
        | made
        | shown
        | {a.value for a in CaseAction}
    )


def test_every_deed_has_a_sentence_and_no_sentence_is_idle():
    assert deeds() == set(WORDS["deed"])


def test_what_is_made_of_a_state_is_known_here():
    made = {found for text in SERVICES for found in re.findall(r'f"([a-z_]+)\.\{[^}]+\}"', text)}
    assert made & KINDS == set(MADE)


# Parameters of what records, which are no details of the entry.
NO_DETAILS = {"fields", "centre_id", "told"}


def details():
    """The names under which the services tell more of a deed; `code` is what a refusal tells."""
    calls = [node for text in SERVICES for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    tellers = [call for call in calls if getattr(call.func, "id", "") in {"record", "note", "tell"}]
    return {word.arg for call in tellers for word in call.keywords if word.arg} - NO_DETAILS | {"code"}


def test_every_detail_of_an_entry_has_a_word():
    of_approvals = {"first", "last", "record_id"}  # told as they stand in the approval
    assert details() | of_approvals <= set(WORDS["detail"])


def test_values_of_details_are_told_in_words(app):
    assert set(VALUES) <= set(WORDS["detail"])
    assert set(VALUES.values()) <= set(WORDS)
    asked = {*ApprovalKind, *RuleKind, *RecordKind, *registers.ExportKind, *registers.BulkKind}
    assert {each.value for each in asked} | {"request", "rule", "forbidden", "not_found"} <= set(SAID)
    with app.test_request_context():
        assert detail_word("recipient", "police") == "Police"
        assert detail_word("basis", "danger_to_life") == "Danger to life"
        assert detail_word("what", "bulk_export") == "Take out many records"
        assert detail_word("taken", "case:read none") == "Read cases: taken away"
        assert detail_word("taken", "health mask") == "Health: hidden"
        assert detail_word("template", "of_no_word") == "of no word"


def test_every_kind_of_record_has_a_word():
    sources = [path.read_text() for path in (ROOT / "helpline").rglob("*.py")]
    missed = {found for text in sources for found in re.findall(r'NotFound\("([a-z_]+)"', text)}
    asked = {permission.value.partition(":")[0] for permission in Permission}
    assert {deed.partition(".")[0] for deed in WORDS["deed"]} | missed | asked == KINDS

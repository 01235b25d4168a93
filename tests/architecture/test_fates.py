"""Every sealed column has a fate when what it speaks of is erased: a new one fails here until somebody has said which."""

import pytest

import helpline.app  # noqa: F401  # every slice's models
from helpline.foundation.crypto.sealed import sealed_columns
from helpline.foundation.db import db
from helpline.retention.rules import FATES, KEPT, OTHERWISE

SEALED = sealed_columns(db.metadata)
# By hand: the columns that somebody looked at. A column added to one of these tables is looked at too.
LOOKED_AT = {
    "approvals": {"reason_sealed"},
    "breach_entries": {"words_sealed"},
    "breaches": {"what_sealed"},
    "call_drafts": {"body_sealed"},
    "call_import_chunks": {"body_sealed"},
    "call_import_findings": {"body_sealed"},
    "call_imports": {"file_name_sealed", "headers_sealed", "options_sealed", "report_sealed"},
    "call_versions": {"snapshot_sealed"},
    "calls": {"narrative_sealed", "original_sealed", "risk_override_sealed", "void_reason_sealed"},
    "case_closings": {"reason_sealed"},
    "case_notes": {"body_sealed"},
    "cases": {"consent_why_sealed", "summary_sealed"},
    "compelled_disclosures": {"words_sealed"},
    "disclosures": {"recipient_sealed", "what_sealed"},
    "exports": {"body_sealed", "reason_sealed", "recipient_sealed"},
    "factors": {"secret_sealed"},
    "followups": {"note_sealed", "reason_sealed", "task_sealed"},
    "glass_overrides": {"note_sealed", "reason_sealed"},
    "legal_holds": {"reason_sealed"},
    "messages": {"address_sealed"},
    "persons": {"background_sealed", "name_sealed", "phone_sealed"},
    "reading_alerts": {"note_sealed"},
    "referral_asks": {"decline_note_sealed"},
    "retention_reviews": {"reason_sealed"},
}


def test_every_sealed_table_has_one_fate():
    assert set(SEALED) == {*FATES, *OTHERWISE, *KEPT}
    assert len(SEALED) == len(FATES) + len(OTHERWISE) + len(KEPT)


def test_the_sealed_columns_are_those_that_were_looked_at():
    assert SEALED == LOOKED_AT


@pytest.mark.parametrize("table", FATES)
def test_what_is_blanked_is_there_and_the_eraser_may_blank_it(table):
    columns = db.metadata.tables[table].columns
    assert {FATES[table].link, *FATES[table].blank} <= {column.name for column in columns}
    assert FATES[table].of in {"calls", "cases", "persons", "all"}

"""What a thief finds who takes everything but the keys: words are planted through every input, and searched for.

Planted are canaries: words that stand nowhere else, one a field. Searched are the tables (as a dump shows them), the
files of the database (tables, indexes, WAL, temporary files), what the broker wrote, every log, and every mail.
"""

import base64
import io
import json
import re
import secrets
import subprocess
from datetime import timedelta

import psycopg
import pytest
import requests
from marshmallow import fields, validate

from helpline.embedded.place import DATABASE, find_place
from helpline.foundation.access.permissions import FieldGroup
from helpline.foundation.clock import now
from helpline.foundation.ids import new_id
from helpline.web.schema import In, group_of
from tests.factories.accounts import PASSWORD, set_password
from tests.faults.test_kills import awaiting, open_events, waiting_mail
from tests.journeys.people import address, link_in, make_house

pytestmark = [pytest.mark.journey, pytest.mark.timeout(600)]

# Whose words are nobody's secret: the directory, staff, figures, and how a list is narrowed.
PUBLIC = {FieldGroup.DIRECTORY, FieldGroup.STATISTICS}
# What stands in the clear though its group is not public, and why.
CLEAR = {
    "CallContentIn.categories": "codes of the taxonomy", "CallIn.categories": "codes of the taxonomy",
    "CallCorrectionIn.categories": "codes of the taxonomy", "CallDraftIn.base": "a version's time stamp",
    "TokenIn.name": "the owner's name for a token", "MeIn.name": "a member of staff",
    "MappingIn.name": "names a mapping", "MappingIn.document": "which column means what",
    "AuthenticatorIn.code": "counts once, and never kept", "AuthenticatorIn.name": "one's own word for a telephone",
    "PasskeyIn.name": "one's own word for a key", "PasskeyIn.passkey": "public keys and signatures",
    **{f"{schema}.{name}": "how a file is read" for schema in ("UploadFile", "UploadOptionsIn")
       for name in ("encoding", "delimiter")},
    "RegisterQuery.after": "a page's key", "LedgerQuery.case": "a case's number", "DemandIn.cases": "cases' numbers",
    "AlertQuery.after": "a page's key", "AgencyQuery.after": "a page's key", "After.after": "a page's key", "ImportQuery.after": "a page's key",
    "EntryQuery.after": "a page's key", "EntryQuery.action": "a code", "EntryQuery.kind": "a code",
    "PlaceQuery.q": "a place: searched, never kept", "TermQuery.q": "a reason: searched, never kept",
    "TermQuery.version": "a taxonomy's", "VersionQuery.version": "a taxonomy's",
}  # fmt: skip


class Canaries:
    """Words by the field they are planted in. They look like names: some inputs would refuse other words."""

    def __init__(self) -> None:
        self.root = "Quokka" + "".join(secrets.choice("bcdfghjklmnp") for _ in range(8))
        self.planted: dict[str, str] = {}

    def __call__(self, *labels: str) -> str:
        word = f"{self.root}{len(self.planted):02}"
        self.planted |= dict.fromkeys(labels, word)
        return word

    def found_in(self, data: bytes) -> set[str]:
        """The fields whose words stand in it: as text, as the hexadecimal of a dump, in base 64, in UTF-16."""
        root = self.root.encode()
        shapes = [root, root.hex().encode(), self.root.encode("utf-16-le")]
        shapes += [base64.b64encode(b"\0" * skip + root)[4 * bool(skip) : -4] for skip in range(3)]
        hits = {label for label, word in self.planted.items() if word.encode() in data}
        return hits or ({"in another shape"} if any(shape in data for shape in shapes) else set())


def input_schemas(kind=In):
    """Those of the house: other tests make some of their own."""
    for each in kind.__subclasses__():
        if each.__module__.startswith("helpline."):
            yield each
        yield from input_schemas(each)


def holds_words(field) -> bool:
    if isinstance(field, fields.List):
        return holds_words(field.inner)
    bounded = any(isinstance(each, validate.OneOf | validate.Regexp) for each in field.validators)
    return isinstance(field, fields.Dict | fields.Raw) or (type(field) is fields.String and not bounded)


def free_fields() -> set[str]:
    """Every field of every input that could hold somebody's words."""
    return {
        f"{schema.__name__}.{name}"
        for schema in input_schemas()
        for name, field in schema().load_fields.items()
        if holds_words(field) and group_of(schema(), name) not in PUBLIC
    }


def person(canary, schema: str) -> dict:
    line = ("name", "nationality", "ethnicity", "schooling", "living_situation")
    return {name: canary(f"{schema}.{name}") for name in line} | {"age": 9, "gender": "female"}


def log_and_correct(house, canary):
    """A call with words everywhere, its draft, its correction, and another that is voided."""
    operator = house.people["operator"]
    draft = {"fields": [["narrative", canary("CallDraftIn.fields_")]], "base": None}
    operator.ask("PUT", f"/calls/drafts/{new_id()}", 200, **draft)
    number = "012 345 678"
    call = {
        "call_id": str(new_id()), "place_id": str(house.province), "danger": {"hurt": "yes"},
        "narrative": canary("CallIn.narrative"), "risk_reason": canary("CallIn.risk_reason"), "risk_level": "medium",
        "caller": person(canary, "CallPersonIn") | {"phone": f"{number} {canary('CallPersonIn.phone')}"},
        "children": [person(canary, "CallChildIn") | {"phone": canary("CallChildIn.phone")}],
    }  # fmt: skip
    logged = operator.ask("POST", "/calls", 201, **call)
    child = operator.ask("GET", f"/calls/{logged['id']}")["children"][0]["id"]
    correction = {
        "version": 1, "reason": canary("CallCorrectionIn.reason"),
        "narrative": canary("CallCorrectionIn.narrative", "CallContentIn.narrative"), "risk_level": "high",
        "risk_reason": canary("CallCorrectionIn.risk_reason", "CallContentIn.risk_reason"),
        "place_id": str(house.province), "children": [{"person_id": child, "age": 9}],
    }  # fmt: skip
    operator.ask("PUT", f"/calls/{logged['id']}", 200, **correction)
    other = operator.ask("POST", "/calls", 201, call_id=str(new_id()))
    operator.ask("POST", f"/calls/{other['id']}/void", 200, version=1, reason=canary("CallVoidIn.reason"))
    operator.ask("POST", "/calls/earlier", 200, phone=canary("EarlierCallsIn.phone"))
    return logged["id"], child


def work_on_a_case(stack, house, canary, call_id, child):
    operator, supervisor = house.people["operator"], house.people["supervisor"]
    consent = {
        "services": "yes", "disclosure": "yes", "by": "child", "withhold": ["story"], "why": canary("ConsentIn.why"),
    }  # fmt: skip
    case = {
        "case_id": str(new_id()), "call_id": call_id, "child_person_id": child, "needs": ["health"],
        "summary": canary("OpenCaseIn.summary"), "consent": consent,
    }  # fmt: skip
    path = f"/cases/{operator.ask('POST', '/cases', 201, **case)['id']}"

    def change(method, place, **body):
        return supervisor.ask(method, path + place, 200, version=supervisor.ask("GET", path)["version"], **body)

    link = link_in(stack, address(house, "first"))
    said = {"answer": "decline", "reason": "other", "note": canary("PortalAnswerIn.note")}
    assert requests.post(f"{stack.url}/api/v1/portal/{link}/answer", json=said, timeout=30).status_code == 200
    accept = {"answer": "accept"}
    link = link_in(stack, address(house, "second"))
    assert requests.post(f"{stack.url}/api/v1/portal/{link}/answer", json=accept, timeout=30).status_code == 200
    awaiting(stack, lambda: supervisor.ask("GET", f"{path}/referrals")[0]["state"] == "accepted", "the acceptance")
    supervisor.ask("POST", f"{path}/notes", 201, note_id=str(new_id()), body=canary("NoteIn.body"))
    change("PUT", "/risk", risk_level="low", reason=canary("RiskIn.reason"))
    follow_ups(house, canary, path)
    close_and_break(stack, house, canary, path)
    keep_registers(stack, house, canary, path)
    awaiting(stack, lambda: open_events(stack) == 0, "what the new risk moved")
    finish(house, canary, path, change)


def close_and_break(stack, house, canary, path):
    """Somebody is shut out and let in again; somebody breaks the glass, and a supervisor looks into it."""
    people = house.people
    supervisor, closed = people["supervisor"], {"principal_id": str(people["team_supervisor"].user.id)}
    supervisor.ask("POST", f"{path}/closings", 201, **closed, reason=canary("CloseToIn.reason"))
    lifted = closed | {"kind": "closed_to", "reason": canary("LiftIn.reason")}
    supervisor.ask("POST", f"{path}/closings/lift", 200, **lifted)
    page, csrf = signed_in(stack, people["caseworker"].user)
    override_id, code = str(new_id()), supervisor.ask("GET", path)["code"]
    form = {"csrf_token": csrf, "override_id": override_id, "reason": canary("BreakGlassIn.reason")}
    page.post(f"{stack.url}/break-glass", data=form | {"case": canary("BreakGlassIn.case")}, timeout=30)
    assert page.post(f"{stack.url}/break-glass", data=form | {"case": code}, timeout=30).status_code == 200
    found = {"outcome": "justified", "note": canary("ReviewIn.note")}
    supervisor.ask("POST", f"/overrides/{override_id}/review", 200, **found)


def keep_registers(stack, house, canary, path):
    """What is told by hand, demanded, and lost; what is held is given out, and many records are asked for."""
    supervisor, at = house.people["supervisor"], now().isoformat()
    told = {
        "disclosure_id": str(new_id()), "given_at": at, "recipient_kind": "police", "means": "telephone",
        "basis": "consent", "groups": ["story"], "recipient": canary("DisclosureIn.recipient"),
    }  # fmt: skip
    supervisor.ask("POST", f"{path}/disclosures", 201, **told, what=canary("DisclosureIn.what"))
    words = ("authority", "person", "paper", "law", "demanded", "given", "told")
    demand = {
        "demand_id": str(new_id()), "received_at": at, "kind": "police", "basis": "warrant", "outcome": "refused",
        "subjects_told": "later",
    } | {name: canary(f"DemandIn.{name}") for name in words}  # fmt: skip
    supervisor.ask("POST", "/demands", 201, **demand)
    breach = {"breach_id": str(new_id()), "noticed_at": at, "categories": ["story"], "what": canary("BreachIn.what")}
    supervisor.ask("POST", "/breaches", 201, **breach)
    step = {"entry_id": str(new_id()), "kind": "measure", "at": at, "words": canary("BreachStepIn.words")}
    supervisor.ask("POST", f"/breaches/{breach['breach_id']}/steps", 201, **step)
    page, csrf = signed_in(stack, supervisor.user)
    form = {
        "csrf_token": csrf, "export_id": str(new_id()), "recipient": "child", "reason": canary("ExportIn.reason"),
        "recipient_name": canary("ExportIn.recipient_name"),
    }  # fmt: skip
    made = page.post(f"{stack.url}{path}/export", data=form, timeout=30)
    assert made.url.endswith(form["export_id"]), made.text
    bulk = {
        "csrf_token": csrf,
        "approval_id": str(new_id()),
        "what": "calls",
        "first": "2026-01-01",
        "last": "2026-01-31",
    }
    page.post(f"{stack.url}/registers/exports/new", data=bulk | {"reason": canary("BulkIn.reason")}, timeout=30)


def search_and_settle(house, canary):
    supervisor = house.people["supervisor"]
    for _ in range(2):
        supervisor.ask("POST", "/search", 200, search_id=str(new_id()), text=canary("SearchIn.text"))
    supervisor.ask("POST", f"/alerts/{new_id()}/settlement", 404, note=canary("SettleIn.note"))
    lost = {"approval_id": str(new_id()), "kind": "factor_reset", "subject_id": str(supervisor.user.id)}
    supervisor.ask("POST", "/approvals", 403, **lost, reason=canary("ApprovalIn.reason"))  # no token asks for this


def signed_in(stack, user):
    """A browser of this person, who gave a second factor just now; and its CSRF token."""
    set_password(user)
    page = requests.Session()
    csrf = token_in(page.get(f"{stack.url}/sign-in", timeout=30))
    signed = {"csrf_token": csrf, "login": user.login, "password": PASSWORD}
    page.post(f"{stack.url}/sign-in", data=signed, timeout=30)
    with psycopg.connect(stack.settings.database_owner_url) as connection:
        connection.execute(
            "UPDATE user_sessions SET factor_at = now() + interval '1 hour' WHERE user_id = %s", [user.id]
        )
    return page, token_in(page.get(f"{stack.url}/account", timeout=30))


def token_in(page):
    return re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]


def follow_ups(house, canary, path):
    supervisor = house.people["supervisor"]
    due, moved = ((now() + timedelta(days=days)).isoformat() for days in (5, 6))
    ids = [str(new_id()) for _ in range(2)]
    for followup_id in ids:
        task = {"followup_id": followup_id, "kind": "other", "due_at": due, "task": canary("FollowUpIn.task")}
        supervisor.ask("POST", f"{path}/followups", 201, **task)
    later = {"version": 1, "due_at": moved, "reason": canary("RescheduleIn.reason")}
    supervisor.ask("PUT", f"/followups/{ids[0]}/due", 200, **later)
    done = {"version": 2, "outcome": "done", "note": canary("OutcomeIn.note")}
    supervisor.ask("POST", f"/followups/{ids[0]}/outcome", 200, **done)
    gone = {"version": 1, "reason": canary("CancelIn.reason")}
    supervisor.ask("POST", f"/followups/{ids[1]}/cancellation", 200, **gone)


def finish(house, canary, path, change):
    """Closing is asked for, sent back, done, and taken back."""
    supervisor, worker = house.people["supervisor"], house.people["caseworker"]
    change("PUT", "/assignment", caseworker_id=str(worker.user.id))
    for referral in supervisor.ask("GET", f"{path}/referrals"):
        started = {"version": referral["version"], "state": "delivered"}
        supervisor.ask("PUT", f"/referrals/{referral['id']}/service", 200, **started)
    for promised in supervisor.ask("GET", f"{path}/obligations")["items"]:
        place = f"/followups/{promised['source_id']}"
        version = supervisor.ask("GET", place)["version"]
        done = {"version": version, "outcome": "reached", "note": canary("OutcomeIn.note again")}
        supervisor.ask("POST", f"{place}/outcome", 200, **done)
    version = worker.ask("GET", path)["version"]
    asked = {"version": version, "reason": "goals_met", "note": canary("ClosingIn.note")}
    worker.ask("POST", f"{path}/closing", 200, **asked)
    change("POST", "/closing/decision", approve=False, reason=canary("DecisionIn.reason"))
    change("POST", "/closing", reason="goals_met", note=canary("ClosingIn.note again"))
    change("POST", "/reopening", reason=canary("ReopeningIn.reason"))


def import_a_log(stack, house, canary):
    """One row comes in, one is refused; the file's own name and a column's name are words too."""
    supervisor = house.people["supervisor"]
    rows = [["when", "child", canary("a column's name")], ["2025-01-02 10:00", canary("a cell"), canary("a cell kept")],
            [canary("a cell that can't be read"), "x", "y"]]  # fmt: skip
    text = "\n".join(";".join(row) for row in rows)
    file = {"file": (f"{canary('UploadFile.file')}.csv", io.BytesIO(text.encode()))}
    headers = {"Authorization": f"Bearer {supervisor.token}"}
    answer = requests.post(
        f"{stack.url}/api/v1/imports",
        files=file,
        data={"sheet": canary("UploadFile.sheet", "UploadOptionsIn.sheet")},
        headers=headers,
        timeout=30,
    )
    assert answer.status_code == 201, answer.text
    path = f"/imports/{answer.json()['id']}"
    mapping = {
        "name": "thief", "title": "Thief", "constants": {"kind": "counselling"},
        "fields": [
            {"target": "started_at", "columns": ["when"], "type": "datetime", "formats": ["iso"], "required": True},
            {"target": "child_name", "columns": ["child"], "type": "text"},
        ],
    }  # fmt: skip

    def found():
        return supervisor.ask("GET", path)

    supervisor.ask("PUT", f"{path}/mapping", 200, version=found()["version"], document=mapping)
    for step, state in (("checking", "checked"), ("importing", "done")):
        supervisor.ask("POST", f"{path}/step", 202, version=found()["version"], step=step)
        awaiting(stack, lambda state=state: found()["state"] == state, f"an import that is {state}")
    assert (found()["calls_added"], found()["rows_rejected"]) == (1, 1)


def keep_and_erase(house, canary, call_id):
    """A hold stands; what is not due is not kept longer, and no token asks for an erasure."""
    supervisor = house.people["supervisor"]
    held = {"hold_id": str(new_id()), "record_id": call_id, "reason": canary("HoldIn.reason")}
    supervisor.ask("POST", "/retention/holds", 201, **held)
    longer = {"until": "2030-01-01", "reason": canary("KeepIn.reason")}
    supervisor.ask("POST", f"/retention/records/{call_id}/keep", 404, **longer)
    asked = {"approval_id": str(new_id()), "record_id": call_id, "why": "request", "reason": canary("ProposeIn.reason")}
    supervisor.ask("POST", "/retention/proposals", 403, **asked)


def fail_in_every_way(stack, house, canary):
    """Words in what is refused: wrong passwords, wrong bodies, unknown addresses, headers, other methods."""
    operator = house.people["operator"]
    token, api = operator.token, f"{stack.url}/api/v1"
    page = requests.Session()
    csrf = token_in(page.get(f"{stack.url}/sign-in", timeout=30))
    tried = {"csrf_token": csrf, "login": canary("a login"), "password": canary("a wrong password")}
    page.post(f"{stack.url}/sign-in", data=tried, timeout=30)
    page.post(f"{stack.url}/forgotten", data={"csrf_token": csrf, "login": canary("a forgotten login")}, timeout=30)
    page, csrf = signed_in(stack, operator.user)
    wrong = {
        "call_id": canary("an id that is none"), "narrative": [canary("a list for a text")], canary("a field"): "x",
        "children": [{"age": canary("an age that is none")}], "started_at": canary("a time that is none"),
    }  # fmt: skip
    headers = {"Authorization": f"Bearer {token}", "User-Agent": canary("a browser's name"),
               "X-Forwarded-For": canary("a forwarded address")}  # fmt: skip
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        requests.request(method, f"{api}/calls", json=wrong, headers=headers, timeout=30)
    requests.post(f"{api}/calls", data='{"narrative": "' + canary("a broken body"), timeout=30,
                  headers=headers | {"Content-Type": "application/json"})  # fmt: skip
    too_long = json.dumps({"call_id": str(new_id()), "narrative": canary("a long text") * 3000})
    requests.post(f"{api}/calls", data=too_long, headers=headers | {"Content-Type": "application/json"}, timeout=30)
    requests.post(f"{api}/calls", json={"call_id": str(new_id()), "narrative": canary("with a nul") + "\0"},
                  headers=headers, timeout=30)  # fmt: skip
    for place in (f"/calls/{canary('an address')}", f"/calls?q={canary('a query')}", f"/r/{canary('a link')}"):
        page.get(stack.url + place, timeout=30)
        requests.get(f"{api}{place}", headers=headers, timeout=30)
    page.post(f"{stack.url}/calls", data={"csrf_token": csrf, "narrative": canary("a form")}, timeout=30)
    requests.get(f"{api}/calls", headers={"Authorization": f"Bearer {canary('a token that is none')}"}, timeout=30)


def places_to_look(stack, bed, broker):
    """(where, bytes) of everything that outlives a request."""
    with psycopg.connect(bed.admin_url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    place = find_place(stack.settings.embedded_path)
    dump = [place.postgres_bin / "pg_dump", "--dbname", stack.settings.database_owner_url]
    yield "a dump", subprocess.run(dump, capture_output=True, check=True).stdout
    for folder in (place.home / DATABASE, place.logs, broker.place.home, broker.place.logs, stack.folder):
        for file in folder.rglob("*"):
            if file.is_file():
                yield f"{folder.name}/{file.relative_to(folder)}", file.read_bytes()
    for mail in stack.receiver.mails:
        yield (
            "a mail",
            mail.as_bytes()
            + b"".join(part.get_content().encode() for part in mail.walk() if part.get_content_maintype() == "text"),
        )
    yield "readiness", requests.get(f"{stack.url}/readyz", timeout=30).content


def test_who_steals_all_but_the_keys_reads_no_word_of_a_child(stack, broker, bed):
    canary, house = Canaries(), make_house(stack)
    call_id, child = log_and_correct(house, canary)
    work_on_a_case(stack, house, canary, call_id, child)
    import_a_log(stack, house, canary)
    search_and_settle(house, canary)
    keep_and_erase(house, canary, call_id)
    fail_in_every_way(stack, house, canary)
    awaiting(stack, lambda: open_events(stack) == 0 and waiting_mail(stack) == 0, "everything done")

    forgotten = free_fields() - set(canary.planted) - set(CLEAR) - {"PasswordIn.current", "PasswordIn.password"}
    assert not forgotten, "plant a word there, or say in CLEAR why it may be read"
    looked, found = 0, {}
    for where, data in places_to_look(stack, bed, broker):
        looked += len(data)
        if hits := canary.found_in(data):
            found[where] = hits
    assert looked > 50_000_000, "the database's own files were read"
    assert not found
    # The search itself finds what is there: agencies stand in the clear.
    assert any(address(house, "first").encode() in data for _, data in places_to_look(stack, bed, broker))

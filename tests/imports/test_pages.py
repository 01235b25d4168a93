"""An old log by page: upload, columns, check, report, import; bad input is said and loses nothing."""

import html
import io
import json
import re

import pytest

from helpline.foundation.ids import new_id
from helpline.imports import queries
from helpline.imports.services import running
from tests.factories.accounts import make_centre, make_user, sign_in
from tests.imports.test_services import MAPPING, SMALL, rows_of


@pytest.fixture
def supervisor(client, database_urls):
    user = make_user(make_centre(database_urls["owner"]), "supervisor")
    sign_in(client, user, fresh=True)  # the report of rejects asks for a second factor
    return user


def token_of(client):
    page = client.get("/imports").get_data(as_text=True)
    return page.partition('name="csrf_token" value="')[2].partition('"')[0]


def post(client, path, **form):
    return client.post(path, data={"csrf_token": token_of(client)} | form, content_type="multipart/form-data")


def upload(client, text=SMALL, name="log.csv"):
    answer = post(client, "/imports", import_id=str(new_id()), file=(io.BytesIO(text.encode()), name))
    assert answer.status_code == 302, answer.get_data(as_text=True)[:500]
    return answer.headers["Location"]


def version_of(client, path):
    return client.get(path).get_data(as_text=True).partition('name="version" value="')[2].partition('"')[0]


def work(worker_app):
    with worker_app.app_context():
        while running.run_next():
            pass


def test_a_file_from_upload_to_calls(client, supervisor, worker_app):
    path = upload(client)
    mapped = post(
        client,
        f"{path}/mapping",
        use="document",
        version=version_of(client, path),
        document=json.dumps(MAPPING),
        save="1",
    )
    assert mapped.status_code == 302
    assert post(client, f"{path}/step", version=version_of(client, path), step="checking").status_code == 302
    waiting = client.get(path, headers={"HX-Request": "true"}).get_data(as_text=True)
    assert 'hx-trigger="every 1s"' in waiting
    work(worker_app)
    checked = client.get(path).get_data(as_text=True)
    assert "4 rows were read." in checked
    assert "2025-02-30 10:00" in checked
    assert "something else" in checked
    rejects = client.get(f"{path}/rejects.csv").get_data(as_text=True)
    assert '"4","datetime_unreadable","when","2025-02-30 10:00"' in rejects
    assert post(client, f"{path}/step", version=version_of(client, path), step="importing").status_code == 302
    work(worker_app)
    done = client.get(path).get_data(as_text=True)
    assert "3 calls were added." in done
    assert "small" in client.get(upload(client)).get_data(as_text=True), "the mapping was kept under its name"


def test_a_known_log_finds_its_mapping_by_itself(client, supervisor):
    headers = ["llamado_fecha_hora", "llamado_provincia_indec_id", "llamante_quien_llama", "llamante_edad"]
    text = ",".join(headers) + "\n2018-01-01 10:00:00,02,Madre,30\n"
    assert "ar-line137" in client.get(upload(client, text)).get_data(as_text=True)


@pytest.mark.parametrize(
    ("name", "content"),
    [("photo.png", b"\x89PNG\r\n\x1a\n"), ("empty.csv", b""), ("old.xls", bytes.fromhex("d0cf11e0a1b11ae1"))],
)
def test_what_is_no_table_is_said_beside_the_file(client, supervisor, name, content):
    answer = post(client, "/imports", import_id=str(new_id()), file=(io.BytesIO(content), name))
    assert answer.status_code == 422
    assert 'id="file-error"' in answer.get_data(as_text=True)


UNSURE = b"Date,Notes\n" + b"".join(b"2020-01-01," + bytes(range(128, 256))[n::7] + b"\n" for n in range(7))


def test_an_encoding_that_cannot_be_told_is_asked_for_and_kept(client, supervisor):
    form = {"import_id": str(new_id()), "encoding": "", "header_row": ""}
    answer = post(client, "/imports", **form, file=(io.BytesIO(UNSURE), "log.csv"))
    assert answer.status_code == 422
    assert 'id="encoding-error"' in answer.get_data(as_text=True)
    named = post(client, "/imports", **(form | {"encoding": "cp437"}), file=(io.BytesIO(UNSURE), "log.csv"))
    assert "cp437" in client.get(named.headers["Location"]).get_data(as_text=True)


@pytest.mark.parametrize(
    ("field", "value"), [("header_row", "none"), ("header_row", "0"), ("delimiter", "''"), ("encoding", "klingon")]
)
def test_what_cannot_be_an_option_is_said_beside_it(client, supervisor, field, value):
    answer = post(client, "/imports", **{field: value}, file=(io.BytesIO(SMALL.encode()), "log.csv"))
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.get_data(as_text=True)


def test_all_that_was_not_understood_is_a_file(client, supervisor, worker_app):
    path = upload(client)
    document = json.dumps(MAPPING)
    post(client, f"{path}/mapping", use="document", version=version_of(client, path), document=document)
    post(client, f"{path}/step", version=version_of(client, path), step="checking")
    work(worker_app)
    answer = client.get(f"{path}/unknown.csv")
    assert answer.get_data().decode("utf-8-sig").splitlines() == [
        '"column","value","times"', '"why","something else","1"',
    ]  # fmt: skip
    assert f'href="{path}/unknown.csv"' in client.get(path).get_data(as_text=True)


def test_what_is_taken_out_is_on_record(client, supervisor):
    path = upload(client)
    for kind in ("rejects", "unknown"):
        assert client.get(f"{path}/{kind}.csv").status_code == 200
    entries = rows_of(
        supervisor.centre.owner_url,
        "SELECT subject_ids[1]::text, field_groups FROM audit_entries WHERE action = 'import.exported'"
        " AND actor_id = %s ORDER BY at",
        supervisor.id,
    )
    assert entries == [(path.rpartition("/")[2], ["rejects"]), (path.rpartition("/")[2], ["unknown"])]


def test_the_columns_show_a_file_as_it_was_said_to_be_read(client, supervisor):
    text = b"A title||\nDate|Time|Sex\n31/12/2024|9:05|F\n"
    how = {"header_row": "2", "delimiter": "|", "encoding": "utf-8"}
    answer = post(client, "/imports", file=(io.BytesIO(text), "log.csv"), **how)
    page = client.get(answer.headers["Location"]).get_data(as_text=True)
    assert "31/12/2024" in page
    assert re.search(r'<select[^>]*name="dates-started_at".*?value="either" selected', page, re.DOTALL)


def test_what_is_at_work_can_be_stopped(client, supervisor, worker_app):
    path = upload(client)
    post(client, f"{path}/mapping", use="document", version=version_of(client, path), document=json.dumps(MAPPING))
    post(client, f"{path}/step", version=version_of(client, path), step="checking")
    assert f'action="{path}/discard"' in client.get(path).get_data(as_text=True)
    assert post(client, f"{path}/discard").status_code == 302
    assert client.get(path).status_code == 404


def test_no_file_at_all_is_said(client, supervisor):
    assert post(client, "/imports").status_code == 422


def test_a_broken_document_is_kept_as_typed(client, supervisor):
    path = upload(client)
    answer = post(client, f"{path}/mapping", use="document", version=version_of(client, path), document='{"name": oops')
    assert answer.status_code == 422
    assert "oops" in answer.get_data(as_text=True)


def test_a_stale_page_overwrites_nothing(client, supervisor):
    path = upload(client)
    version = version_of(client, path)
    document = json.dumps(MAPPING)
    assert post(client, f"{path}/mapping", use="document", version=version, document=document).status_code == 302
    assert post(client, f"{path}/mapping", use="document", version=version, document=document).status_code == 409


def test_another_centres_file_does_not_exist(client, supervisor, database_urls, app):
    path = upload(client)
    other = app.test_client()
    sign_in(other, make_user(make_centre(database_urls["owner"]), "supervisor"), fresh=True)
    assert other.get(path).status_code == 404
    assert other.get(f"{path}/rejects.csv").status_code == 404
    assert other.get(f"{path}/unknown.csv").status_code == 404


@pytest.mark.parametrize("role", ["operator", "caseworker", "team_supervisor", "auditor"])
def test_others_find_the_door_shut(client, make_person, role):
    sign_in(client, make_person(role))
    assert client.get("/imports").status_code == 403


LOG = "Date;Time;Sex;Why;Beaten;Abused\n31/03/2024;08:30;F;neglect;yes;yes\n30/03/2024;09:30;M;something else;no;no\n"
COLUMNS = {
    "use": "columns", "column-started_at": "0", "time-started_at": "1", "dates-started_at": "day", "column-kind": "=counselling",
    "column-child_gender": "2", "column-category": "3", "unknown": "?", "mapping-name": "by form", "yes": "yes", "no": "no",
    "flag-place-0": "2", "flag-column-0": "4", "flag-code-0": "violence.physical_violence",
    "flag-place-1": "1", "flag-column-1": "5", "flag-code-1": "violence.sexual_violence",
}  # fmt: skip


def main_buttons(page):
    return re.findall(
        r'class="btn main[^"]*"[^>]*>([^<]+?) *<', page.partition('id="state"')[2].partition("</main>")[0]
    )


def test_the_columns_are_chosen_by_a_form(client, supervisor, worker_app):
    path = upload(client, LOG)
    first = client.get(path).get_data(as_text=True)
    assert main_buttons(first) == ["Use these columns"]
    assert post(client, f"{path}/mapping", version=version_of(client, path), **COLUMNS).status_code == 302
    page = client.get(path).get_data(as_text=True)
    assert main_buttons(page) == ["Check the file"]
    assert "from “Date” and “Time” together" in page
    assert "the same for every call: Counselling" in page
    assert "from 2 columns of yes and no; the first that says yes gives the main reason" in page
    document = json.loads(html.unescape(page.partition('id="document"')[2].partition(">")[2].partition("<")[0]))
    genders = next(rule for rule in document["fields"] if rule["target"] == "child_gender")
    assert ("F" in genders["values"]["female"], "M" in genders["values"]["male"]) == (True, True)
    order = [(each["column"], each["code"]) for each in document["flags"][0]["order"]]
    assert order == [("Abused", "violence.sexual_violence"), ("Beaten", "violence.physical_violence")]
    assert 'name="text-category-0" value="neglect"' in page

    meant = COLUMNS | {
        "text-category-0": "neglect", "value-category-0": "violence.neglect",
        "text-category-1": "something else", "value-category-1": "",
    }  # fmt: skip
    assert post(client, f"{path}/mapping", version=version_of(client, path), **meant).status_code == 302
    assert post(client, f"{path}/step", version=version_of(client, path), step="checking").status_code == 302
    work(worker_app)
    checked = client.get(path, headers={"HX-Request": "true"}).get_data(as_text=True)
    assert "<html" not in checked
    assert main_buttons(checked) == ["Import these calls"], "the polled part brings the next step"
    assert "hx-trigger" not in checked
    assert "something else" in checked
    assert post(client, f"{path}/step", version=version_of(client, path), step="importing").status_code == 302
    work(worker_app)
    done = client.get(path, headers={"HX-Request": "true"}).get_data(as_text=True)
    assert "2 calls were added." in done
    assert main_buttons(done) == ["See the calls"]
    calls = client.get("/api/v1/calls").get_json()["items"]
    assert [call["category"] for call in calls] == ["violence.sexual_violence", None], "in the order that was set"
    assert calls[0]["started_at"].startswith("2024-03-31T01:30")


def test_what_the_form_cannot_say_stays_as_the_document_says(client, supervisor):
    path = upload(client)
    assert post(
        client, f"{path}/mapping", use="document", version=version_of(client, path), document=json.dumps(MAPPING)
    ).status_code == 302  # fmt: skip
    page = client.get(path).get_data(as_text=True)
    form = {}
    for name in re.findall(r'name="(column-[a-z_]+)"', page):
        body = page.partition(f'name="{name}"')[2].partition("</select>")[0]
        picked = re.search(r'value="([^"]*)" selected', body)
        form[name] = html.unescape(picked[1]) if picked else ""
    texts = dict(re.findall(r'name="(text-[^"]+)" value="([^"]*)"', page))
    for name in texts:
        body = page.partition(f'name="{name.replace("text", "value")}"')[2].partition("</select>")[0]
        picked = re.search(r'value="([^"]*)" selected', body)
        form[name.replace("text", "value")] = picked[1] if picked else ""
    same = {"use": "columns", "unknown": "?", "mapping-name": "small", "dates-started_at": "own"}
    posted = post(client, f"{path}/mapping", version=version_of(client, path), **form, **texts, **same)
    assert posted.status_code == 302
    found = client.get("/api/v1" + path).get_json()["mapping"]
    by_target = {rule["target"]: rule for rule in found["fields"]}
    assert by_target == {rule["target"]: rule for rule in MAPPING["fields"]}
    assert (found["title"], found["constants"]) == (MAPPING["title"], MAPPING["constants"])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"constants": {"kind": "shouting"}}, ["Kind of call", "“shouting”"]),
        ({"fields": MAPPING["fields"][1:]}, ["Every call has a start"]),
        ({"fields": [MAPPING["fields"][0] | {"columns": ["gone"]}]}, ["“gone”", "Start of the call"]),
        ({"fields": [{"target": "started_at", "columns": 3}]}, ["fields.0.columns"]),
    ],
)
def test_a_refused_document_says_which_field_and_which_value(client, supervisor, changed, words):
    path = upload(client)
    document = json.dumps(MAPPING | changed)
    answer = post(client, f"{path}/mapping", use="document", version=version_of(client, path), document=document)
    page = html.unescape(answer.get_data(as_text=True))
    assert answer.status_code == 422
    assert all(word in page for word in words), words


def test_a_form_without_a_start_is_refused_beside_it(client, supervisor):
    path = upload(client, LOG)
    wrong = COLUMNS | {"column-started_at": ""}
    answer = post(client, f"{path}/mapping", version=version_of(client, path), **wrong)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert 'href="#column-started_at"' in page
    assert "Every call has a start" in page
    assert 'value="=counselling" selected' in page, "what was chosen is still chosen"


def test_a_mapping_of_another_country_is_not_chosen(client, supervisor):
    headers = queries.shipped_mappings()["ar-line137"]["fields"]
    columns = list(dict.fromkeys(column for rule in headers for column in rule["columns"]))
    path = upload(client, ",".join(columns) + "\n" + ",".join("x" for _each in columns) + "\n")
    assert client.get("/api/v1" + path).get_json()["mapping"] is None
    answer = post(client, f"{path}/mapping", use="named", name="ar-line137", version=version_of(client, path))
    assert answer.status_code == 422
    assert "Province, by its code: “" in answer.get_data(as_text=True)


def test_no_file_chosen_is_said_in_a_sentence(client, supervisor):
    assert "Choose a file first" in post(client, "/imports").get_data(as_text=True)


def test_who_may_not_read_calls_gets_no_link_to_them(client, database_urls, worker_app):
    admin = make_user(make_centre(database_urls["owner"]), "admin")
    sign_in(client, admin)
    path = upload(client)
    document = json.dumps(MAPPING)
    post(client, f"{path}/mapping", use="document", version=version_of(client, path), document=document)
    for step in ("checking", "importing"):
        post(client, f"{path}/step", version=version_of(client, path), step=step)
        work(worker_app)
    done = client.get(path).get_data(as_text=True)
    assert "See the calls" not in done
    assert main_buttons(done) == ["Bring in another file"]


def test_an_imported_call_names_its_importer_and_the_country(client, supervisor, worker_app):
    nationality = {"target": "nationality", "columns": ["where"], "type": "text"}
    document = MAPPING | {"fields": [*MAPPING["fields"][:3], nationality]}
    path = upload(client, "when;age;child;where\n2025-01-02 10:00;9;Bopha;AR\n")
    post(client, f"{path}/mapping", use="document", version=version_of(client, path), document=json.dumps(document))
    for step in ("checking", "importing"):
        post(client, f"{path}/step", version=version_of(client, path), step=step)
        work(worker_app)
    [call] = client.get("/api/v1/calls").get_json()["items"]
    page = client.get(f"/calls/{call['id']}").get_data(as_text=True)
    assert "Imported by" in page
    assert "Operator</dt>" not in page
    assert "<dd>Argentina</dd>" in page
    assert "imported by" in client.get("/calls").get_data(as_text=True)

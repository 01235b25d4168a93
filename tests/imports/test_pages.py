"""An old log by page: upload, columns, check, report, import; bad input is said and loses nothing."""

import io
import json

import pytest

from helpline.foundation.ids import new_id
from helpline.imports.services import running
from tests.factories.accounts import make_centre, make_user, sign_in
from tests.imports.test_services import MAPPING, SMALL


@pytest.fixture
def supervisor(client, database_urls):
    user = make_user(make_centre(database_urls["owner"]), "supervisor")
    sign_in(client, user)
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
    sign_in(other, make_user(make_centre(database_urls["owner"]), "supervisor"))
    assert other.get(path).status_code == 404
    assert other.get(f"{path}/rejects.csv").status_code == 404
    assert other.get(f"{path}/unknown.csv").status_code == 404


@pytest.mark.parametrize("role", ["operator", "caseworker", "team_supervisor", "auditor"])
def test_others_find_the_door_shut(client, make_person, role):
    sign_in(client, make_person(role))
    assert client.get("/imports").status_code == 403

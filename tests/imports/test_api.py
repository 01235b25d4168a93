"""Imports by API: how to read the file, and everything that was found."""

import io
import json

import psycopg
import pytest

from helpline.imports.services import running
from tests.factories.accounts import make_centre, make_user, sign_in
from tests.imports.test_services import MAPPING


@pytest.fixture
def asking(client, database_urls):
    user = make_user(make_centre(database_urls["owner"]), "supervisor")
    sign_in(client, user)
    page = client.get("/imports").get_data(as_text=True)
    headers = {"X-CSRFToken": page.partition('name="csrf_token" value="')[2].partition('"')[0]}

    def ask(method, path, expect=200, **body):
        answer = client.open(f"/api/v1/imports{path}", method=method, headers=headers, **body)
        assert answer.status_code == expect, answer.get_data(as_text=True)[:500]
        return answer.get_json(silent=True)

    return ask


def exports(database_urls, import_id):
    """What left, piece by piece, as the audit has it."""
    with psycopg.connect(database_urls["owner"]) as owner:
        return owner.execute(
            "SELECT field_groups, count(*) FROM audit_entries WHERE action = 'import.exported'"
            " AND subject_ids = ARRAY[%s::uuid] GROUP BY 1 ORDER BY 1", [import_id],
        ).fetchall()  # fmt: skip


TITLED = "Our log\nwhen\tage\tchild\tphone\twhy\twhere\n" + "".join(f"never {n}\t\t\t\t\t\n" for n in range(3))


def test_a_file_is_read_as_told_and_all_findings_come_in_pieces(asking, worker_app, database_urls, monkeypatch):
    data = {
        "file": (io.BytesIO(f"{TITLED}2025-01-02 10:00\t\t孩子\t\t?!\tKep\n".encode("gb18030")), "log.csv"),
        "encoding": "gb18030", "delimiter": "tab", "header_row": "2",
    }  # fmt: skip
    made = asking("POST", "", 201, data=data, content_type="multipart/form-data")
    assert made["headers"] == ["when", "age", "child", "phone", "why", "where"]
    path = f"/{made['id']}"
    mapped = asking("PUT", f"{path}/mapping", json={"version": made["version"], "document": MAPPING})
    asking("POST", f"{path}/step", 202, json={"version": mapped["version"], "step": "checking"})
    monkeypatch.setattr(running, "BATCH", 2)
    with worker_app.app_context():
        running.run_next()
    after, found = -1, []
    while after is not None:
        piece = asking("GET", f"{path}/findings?after={after}")
        found += piece["items"]
        after = piece["next"]
    assert found == [
        {"line": 3 + n, "reason": "datetime_unreadable", "column": "when", "value": f"never {n}"} for n in range(3)
    ]
    unknown = asking("GET", f"{path}/findings?kind=unknown")["items"]
    assert unknown == [{"column": "why", "value": "?!", "times": 1}]
    none = asking("GET", f"{path}/findings?kind=repeated")
    assert (none["items"], none["next"]) == ([], None)
    assert exports(database_urls, made["id"]) == [(["rejects"], 3), (["repeated"], 1), (["unknown"], 1)]
    assert json.dumps(asking("GET", path)["report"]["rejects"]).count("never") == 3
    asking("DELETE", path, 204)
    asking("GET", f"{path}/findings", 404)


@pytest.mark.parametrize("option", [{"header_row": "0"}, {"encoding": "klingon"}, {"colour": "red"}])
def test_what_cannot_be_an_option_is_refused(asking, option):
    data = {"file": (io.BytesIO(b"a,b\n1,2\n"), "log.csv")} | option
    asking("POST", "", 422, data=data, content_type="multipart/form-data")

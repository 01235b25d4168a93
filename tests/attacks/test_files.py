"""Files that are not what they are called, or more than they seem. What unpacks: tests/foundation/tabular/test_workbook.py."""

import io
import zipfile
from pathlib import Path

import pytest
import xlsxwriter

from helpline.foundation.errors import Invalid
from helpline.foundation.ids import new_id
from helpline.foundation.tabular.reading import open_table

LOG = b"when,what\n2024-12-31,x\n"
NO_TABLES = {
    "program": b"MZ\x90\x00\x03" + bytes(200), "elf": b"\x7fELF\x02\x01\x01" + bytes(200), "pdf": b"%PDF-1.7\n%\xe2\xe3\n",
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(64), "gzip": b"\x1f\x8b\x08" + bytes(64), "old excel": bytes.fromhex("d0cf11e0a1b11ae1") + bytes(64),
    "zip": b"PK\x03\x04" + bytes(64), "rar": b"Rar!\x1a\x07" + bytes(64), "nothing": b"", "blank": b" \r\n\t" * 20,
}  # fmt: skip


def send(browser, body, name="log.csv", kind="text/csv"):
    form = {"import_id": str(new_id()), "file": (io.BytesIO(body), name, kind)}
    return browser.client.post("/imports", data=form, content_type="multipart/form-data", headers=browser.token)


@pytest.fixture(scope="module")
def browser(staff):
    return staff.browser("supervisor")


@pytest.mark.parametrize("what", NO_TABLES)
@pytest.mark.parametrize("name", ["log.csv", "log.xlsx"])
def test_what_is_no_table_is_none_whatever_it_is_called(browser, what, name):
    assert send(browser, NO_TABLES[what], name).status_code == 422


@pytest.mark.parametrize(
    "name", ["log.php", "log.html", "log.csv.exe", "x" * 5_000 + ".csv", ".htaccess", "con", "a/b/../../c.csv"]
)
@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "application/x-httpd-php"])
def test_a_table_stays_a_table_and_is_never_handed_out(app, browser, rows, name, kind):
    """It is read by what it holds; its name is a label; no route gives the file back, and none lies in a folder."""
    before = {path for folder in ("static", "templates") for path in (Path(app.root_path) / "web" / folder).rglob("*")}
    made = send(browser, LOG, name, kind)
    assert made.status_code == 302
    page = browser.client.get(made.location)
    assert page.mimetype == "text/html"
    import_id = made.location.rpartition("/")[2]
    [(kept,)] = rows("SELECT body_sealed FROM call_import_chunks WHERE import_id = %s", import_id)
    assert LOG not in bytes(kept)
    assert {
        path for folder in ("static", "templates") for path in (Path(app.root_path) / "web" / folder).rglob("*")
    } == before
    for path in (f"{made.location}/{name}", f"{made.location}/file", f"/static/{name}", f"/uploads/{name}"):
        assert browser.client.get(path).status_code in {404, 405, 308}


def test_markup_in_a_table_is_text_on_its_page(browser):
    page = browser.client.get(send(browser, b"<script>alert(1)</script>,b\n<img src=x onerror=alert(2)>,y\n").location)
    assert "&lt;script&gt;alert(1)" in page.text
    assert "<script>alert(1)" not in page.text
    assert "<img src=x" not in page.text


@pytest.fixture(scope="module")
def secret(tmp_path_factory):
    path = tmp_path_factory.mktemp("secret") / "canary.txt"
    path.write_text("canary-of-another-file")
    return path


def poisoned(part, declaration, use):
    """A workbook one of whose parts declares an entity and uses it."""
    plain, out = io.BytesIO(), io.BytesIO()
    with xlsxwriter.Workbook(plain) as book:
        book.add_worksheet().write_row(0, 0, ["when", "HERE"])
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            if name == part:
                head, _, rest = data.partition(b"?>")
                data = head + b"?>" + declaration + rest.replace(b"HERE", use).replace(b"Sheet1", use)
            new.writestr(name, data)
    out.seek(0)
    return out


@pytest.mark.parametrize(
    "part", ["xl/sharedStrings.xml", "xl/workbook.xml", "[Content_Types].xml", "xl/worksheets/sheet1.xml"]
)
@pytest.mark.parametrize("attack", ["file", "laughs"])
def test_no_entity_of_a_workbook_reads_a_file_or_grows(part, attack, secret):
    laughs = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 9))
    declaration = {
        "file": b'<!DOCTYPE x [<!ENTITY e SYSTEM "file://%s">]>' % str(secret).encode(),
        "laughs": b'<!DOCTYPE x [<!ENTITY l0 "ha">' + laughs + b'<!ENTITY e "&l8;">]>',
    }[attack]
    try:
        with open_table(poisoned(part, declaration, b"&e;"), name="x.xlsx") as table:
            told = str([table.headers, table.sheet, *table.rows])
    except Invalid as refused:
        told = str(refused.details)
    assert "canary" not in told
    assert len(told) < 10_000

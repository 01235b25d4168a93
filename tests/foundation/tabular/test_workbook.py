"""XLSX is read as values in one spelling, and an archive that lies costs nothing."""
# ruff: noqa: DTZ001 - a workbook knows no time zones

import io
import zipfile
from datetime import date, datetime, time, timedelta

import openpyxl
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from helpline.foundation.errors import Invalid
from helpline.foundation.tabular.reading import open_table
from helpline.foundation.tabular.table import Limits, Options, Rejected, Row


def workbook(*rows, sheet="Calls", more=()):
    out = io.BytesIO()
    book = openpyxl.Workbook()
    book.active.title = sheet
    for row in rows:
        book.active.append(row)
    for name in more:
        book.create_sheet(name).append(["only", name])
    book.save(out)
    return out


def rows_of(source, **options):
    with open_table(source, name="log.xlsx", options=Options(**options)) as table:
        return table, list(table.rows)


def test_cells_have_one_spelling():
    values = [
        None,
        "Córdoba ភ្នំពេញ",
        True,
        12,
        12.0,
        0.1 + 0.2,
        datetime(2017, 1, 2, 3, 4, 5),
        date(2017, 1, 2),
        time(3, 4),
    ]
    table, rows = rows_of(workbook([f"c{n}" for n in range(9)], values))
    assert list(rows[0].cells.values()) == [
        "", "Córdoba ភ្នំពេញ", "true", "12", "12", "0.3", "2017-01-02 03:04:05", "2017-01-02", "03:04:00",
    ]  # fmt: skip
    assert (table.encoding, table.delimiter, table.sheet, table.sheets) == ("xlsx", None, "Calls", ("Calls",))


def test_midnight_of_a_time_column_stays_a_time_and_seconds_are_exact():
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        sheet = book.add_worksheet()
        form = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        sheet.write_row(0, 0, ["a", "b", "c"])
        sheet.write_datetime(1, 0, datetime(2017, 1, 2), form)
        sheet.write_datetime(1, 1, datetime(2017, 1, 2, 12, 46, 38), form)
        sheet.write_formula(1, 2, "=1+1", None, 2)
    assert list(rows_of(out)[1][0].cells.values()) == ["2017-01-02 00:00:00", "2017-01-02 12:46:38", "2"]


def test_durations_are_spelled():
    assert rows_of(workbook(["a"], [timedelta(minutes=5)]))[1][0].cells == {"a": "0:05:00"}


def test_lines_are_sheet_rows_and_blank_rows_are_formatting():
    _table, rows = rows_of(workbook(["a", "b", None], ["1"], [], ["2", "3", None], ["4", "5", "6"]))
    assert rows == [
        Row(2, {"a": "1", "b": ""}),
        Row(4, {"a": "2", "b": "3"}),
        Rejected(5, "too_many_cells", value="4 | 5 | 6"),
    ]


def test_formatted_empty_cells_are_no_cells():
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        sheet, form = book.add_worksheet(), book.add_format({"bold": True})
        for number, text in enumerate(["a", "1"]):
            sheet.write_row(number, 0, [text, ""], form)
            sheet.write_blank(number, 3, None, form)
    assert rows_of(out)[1] == [Row(2, {"a": "1"})]


def test_a_sheet_is_chosen_by_name():
    source = workbook(["a"], ["1"], more=["Old"])
    table, _rows = rows_of(source, sheet="Old")
    assert (table.headers, table.sheets) == (["only", "Old"], ("Calls", "Old"))
    assert rows_of(source, header_row=2)[0].headers == ["1"]


@pytest.mark.parametrize(
    ("source", "options", "code"),
    [
        (workbook(["a"]), {"sheet": "None"}, "sheet_unknown"),
        (workbook(), {}, "file_empty"),
        (workbook(["a", "b"]), {"limits": Limits(max_columns=1)}, "too_many_columns"),
        (workbook(["a"]), {"limits": Limits(max_uncompressed=100)}, "workbook_too_large"),
        (workbook(["a"], ["1"], ["2"]), {"limits": Limits(max_cells=2)}, "workbook_too_large"),
    ],
)
def test_what_cannot_be_read_is_refused(source, options, code):
    with pytest.raises(Invalid, match=code):
        rows_of(source, **options)


def test_shared_strings_are_limited_for_they_are_read_whole():
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        book.add_worksheet().write_row(0, 0, ["a", "b" * 1000])
    with pytest.raises(Invalid, match="workbook_too_large"):
        rows_of(out, limits=Limits(max_shared_strings=1000))


def archive(**members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members.items():
            made.writestr(name.replace("__", "/"), data)
    return out


def repacked(source, member, change):
    out = io.BytesIO()
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(old.read(name)) if name == member else old.read(name))
    return out


def test_a_zip_that_is_no_workbook_is_refused():
    with pytest.raises(Invalid, match="file_not_a_table"):
        rows_of(archive(**{"readme.txt": "hello"}))
    with pytest.raises(Invalid, match="workbook_unreadable"):
        rows_of(archive(**{"xl__workbook.xml": "<broken"}))


def test_a_zip_bomb_is_refused_before_it_is_unpacked():
    bomb = archive(**{"xl__workbook.xml": "<a/>", "xl__worksheets__sheet1.xml": b"0" * 20_000_000})
    assert len(bomb.getvalue()) < 100_000
    with pytest.raises(Invalid, match="workbook_too_large"):
        rows_of(bomb, limits=Limits(max_uncompressed=10_000_000))


@pytest.mark.parametrize("part", ["xl/styles.xml", "docProps/core.xml", "xl/theme/theme1.xml", "xl/media/cat.png"])
def test_a_part_that_is_read_whole_is_small(part):
    source = repacked(workbook(["a"], ["1"]), part, lambda data: data + b" " * 9_000_000)
    if part.startswith("xl/media"):
        with zipfile.ZipFile(source, "a") as book:
            book.writestr(part, bytes(9_000_000))
    with pytest.raises(Invalid, match="workbook_too_large"):
        rows_of(source)


def test_a_sheet_out_of_next_to_nothing_is_a_bomb():
    sheet = b'<worksheet><sheetData><row r="1"><c t="inlineStr"><is><t>' + b"a" * 20_000_000
    source = repacked(workbook(["a"], ["1"]), "xl/worksheets/sheet1.xml", lambda _data: sheet)
    with pytest.raises(Invalid, match="workbook_too_large"):
        rows_of(source)


def test_shared_strings_under_another_name_are_limited_too():
    hidden = repacked(
        workbook(["a"], ["1"]),
        "[Content_Types].xml",
        lambda data: data.replace(
            b"</Types>", b'<Override PartName="/xl/worksheets/more.xml" ContentType="x.sharedStrings+xml"/></Types>'
        ),
    )
    with zipfile.ZipFile(hidden, "a", zipfile.ZIP_DEFLATED) as book:
        book.writestr("xl/worksheets/more.xml", b"<sst>" + b" " * 2_000)
    with pytest.raises(Invalid, match="workbook_too_large"):
        rows_of(hidden, limits=Limits(max_shared_strings=1_000))


def test_a_declared_size_that_lies_pads_no_row():
    source = repacked(
        workbook(["a", "b"], ["1", "2"]),
        "xl/worksheets/sheet1.xml",
        lambda data: data.replace(b'ref="A1:B2"', b'ref="A1:XFD1048576"'),
    )
    assert rows_of(source)[1] == [Row(2, {"a": "1", "b": "2"})]


def test_a_sheet_that_breaks_off_is_an_error_and_no_short_table():
    source = repacked(
        workbook(["a"], *[[str(n)] for n in range(9)]), "xl/worksheets/sheet1.xml", lambda data: data[:-60]
    )
    with pytest.raises(Invalid, match="workbook_unreadable"):
        rows_of(source)


# Made once: its bytes carry the time, and what is drawn must not change between two runs of one example.
WHOLE = workbook(["a", "b"], ["1", datetime(2017, 1, 2)]).getvalue()


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_damaged_workbook_gives_rows_or_a_coded_refusal(data):
    place = data.draw(st.integers(0, len(WHOLE) - 1))
    damaged = WHOLE[:place] + bytes([data.draw(st.integers(0, 255))]) + WHOLE[place + 1 :]
    try:
        rows_of(io.BytesIO(damaged))
    except Invalid as refused:
        assert refused.code  # noqa: PT017 - either outcome is right, another exception is not

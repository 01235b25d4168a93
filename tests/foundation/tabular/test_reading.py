"""Any old table opens, streams, and loses no row silently."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpline.foundation.errors import Invalid
from helpline.foundation.tabular import delimited, reading
from helpline.foundation.tabular.reading import open_table
from helpline.foundation.tabular.table import Limits, Note, Options, Rejected, Row, unique_headers


def rows_of(data, **options):
    with open_table(io.BytesIO(data), name="log.csv", options=Options(**options)) as table:
        return table, list(table.rows)


def cells_of(data, **options):
    return [list(row.cells.values()) for row in rows_of(data, **options)[1]]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_endings_are_found(delimiter, ending):
    text = ending.join(
        delimiter.join(cells) for cells in (["día", "edad"], ["a, b; c" if delimiter not in ",;" else "x", "2"])
    )
    table, rows = rows_of(text.encode())
    assert (table.headers, table.delimiter) == (["día", "edad"], delimiter)
    assert [row.line for row in rows] == [2]
    assert rows[0].cells["edad"] == "2"


def test_a_byte_order_mark_is_no_part_of_the_first_header():
    for codec in ("utf-8-sig", "utf-16"):
        assert rows_of("a,b\n1,2\n".encode(codec))[0].headers == ["a", "b"]


def test_excels_own_hint_is_obeyed_and_lines_stay_physical():
    table, rows = rows_of(b"sep=;\r\na,x;b\r\n1;2\r\n")
    assert (table.headers, table.delimiter, rows) == (["a,x", "b"], ";", [Row(3, {"a,x": "1", "b": "2"})])


def test_one_column_is_a_table_too():
    assert rows_of(b"edad\n12\n13\n")[1] == [Row(2, {"edad": "12"}), Row(3, {"edad": "13"})]


def test_the_options_override_what_would_be_found():
    assert rows_of(b"x\nold\na;b\n1;2\n", delimiter=";", header_row=3)[0].headers == ["a", "b"]
    assert cells_of("a,b\nó,2\n".encode("cp1252"), encoding="cp1252") == [["ó", "2"]]


def test_a_record_over_several_lines_is_numbered_by_its_first():
    _table, rows = rows_of(b'a,b\n"one\ntwo",2\n\n3,4\n')
    assert [(row.line, row.cells["a"]) for row in rows] == [(2, "one\ntwo"), (5, "3")]


def test_ragged_and_empty_rows_are_rejected_with_line_and_reason():
    _table, rows = rows_of(b'a,b\n1\n2,3,4\n5,6,,\n,\n"x, y",\n')
    assert rows == [
        Rejected(2, "too_few_cells", value="1"),
        Rejected(3, "too_many_cells", value="2,3,4"),
        Row(4, {"a": "5", "b": "6"}),
        Rejected(5, "row_empty"),
        Row(6, {"a": "x, y", "b": ""}),
    ]


def test_a_broken_quote_costs_its_own_line_and_no_other():
    _table, rows = rows_of(b'a,b\n1,2\n"open,3\n4,5\n"6","7"\n8,"9"x\n10,11\n')
    assert [(type(row).__name__, row.line) for row in rows] == [
        ("Row", 2), ("Rejected", 3), ("Row", 4), ("Row", 5), ("Rejected", 6), ("Row", 7),
    ]  # fmt: skip
    assert rows[1] == Rejected(3, "broken_quotes", value='"open,3')


def test_a_long_narrative_is_read_and_one_beyond_all_bounds_costs_itself():
    story = "She told it. " * 70_000  # 910,000 characters
    with open_table(io.BytesIO(f"a,b\n1,{story}\n2,{story * 2}\n3,x\n".encode()), name="log.csv") as table:
        first, second, third = table.rows
    assert first.cells["b"] == story
    assert second[:2] == (3, "cell_too_long")
    assert third == Row(4, {"a": "3", "b": "x"})


def test_a_file_of_nothing_but_broken_quotes_is_given_up():
    with pytest.raises(Invalid, match="too_many_broken_rows"):
        rows_of(b"a,b\n" + b'"x"y,1\n' * 5, limits=Limits(max_broken=3))


def test_headers_are_made_unique_and_said():
    table, rows = rows_of(b"a,,a,a_2,a \n1,2,3,4,5\n")
    assert table.headers == ["a", "column_2", "a_3", "a_2", "a_4"]
    assert Note("header_empty", "column_2") in table.notes
    assert [note.column for note in table.notes if note.code == "header_repeated"] == ["a_3", "a_4"]
    assert list(rows[0].cells.values()) == ["1", "2", "3", "4", "5"]


@given(st.lists(st.sampled_from(["a", "a_2", "a_3", "", "column_2", " a"]), min_size=1, max_size=8))
def test_headers_are_always_unique(raw):
    headers, _notes = unique_headers(raw)
    assert len(set(headers)) == len(raw)
    assert all(headers)


def test_nul_characters_are_taken_out_and_said():
    table, rows = rows_of(b"a,b\n" + b"1,2\n" * 20 + b"3,\x004\n")
    assert table.notes == [Note("nul_removed", times=1)]
    assert rows[-1].cells == {"a": "3", "b": "4"}


def test_a_header_alone_is_a_table_without_rows():
    assert rows_of(b"a,b\n")[1] == []
    assert rows_of(b"a,b")[0].headers == ["a", "b"]


@pytest.mark.parametrize(
    ("data", "options", "code"),
    [
        (b"", {}, "file_empty"),
        (b"\xef\xbb\xbf\r\n", {}, "file_empty"),
        (b"a,b\n", {"header_row": 2}, "file_empty"),
        (b"%PDF-1.7 ...", {}, "file_not_a_table"),
        (b"PK\x03\x04 broken", {}, "workbook_unreadable"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + b"Workbook", {}, "xls_not_supported"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + "EncryptedPackage".encode("utf-16-le"), {}, "workbook_encrypted"),
        (b"a,b\n1,2\n", {"limits": Limits(max_bytes=5)}, "file_too_large"),
        (b"a,b,c\n", {"limits": Limits(max_columns=2)}, "too_many_columns"),
        (b"a,b\n", {"delimiter": ",,"}, "delimiter_unknown"),
        (b"a,b\n", {"delimiter": '"'}, "delimiter_unknown"),
        (b'"a"b,c\n', {}, "header_unreadable"),
    ],
)
def test_what_is_no_table_is_refused_with_a_code_and_the_files_name(data, options, code):
    source = io.BytesIO(data)
    with pytest.raises(Invalid) as caught:
        open_table(source, name="log.csv", options=Options(**options))
    assert (caught.value.code, caught.value.details["name"]) == (code, "log.csv")
    assert not source.closed


def test_a_large_blank_file_is_empty_too(monkeypatch):
    monkeypatch.setattr(reading, "_SPOOL", 16)
    with pytest.raises(Invalid, match="file_empty"):
        rows_of(b"\n" * 6000)


def test_a_path_is_opened_and_closed_and_a_stream_is_left_to_its_owner(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(b"a,b\n1,2\n")
    with open_table(path, name="log.csv") as table:
        assert len(list(table.rows)) == 1
    table.close()
    stream = io.BytesIO(path.read_bytes())
    with open_table(stream, name="log.csv") as table:
        assert len(list(table.rows)) == 1
    assert stream.seek(0) == 0
    with pytest.raises(Invalid):
        open_table(path, name="log.csv", options=Options(encoding="klingon"))
    with pytest.raises(FileNotFoundError):
        open_table(tmp_path / "none.csv", name="none.csv")


class Pipe(io.BytesIO):
    def seekable(self):
        return False


def test_a_stream_that_cannot_seek_is_copied_within_the_limit():
    with open_table(Pipe(b"a,b\n1,2\n"), name="log.csv") as table:
        assert list(table.rows) == [Row(2, {"a": "1", "b": "2"})]
    with pytest.raises(Invalid, match="file_too_large"):
        open_table(Pipe(b"a,b\n1,2\n"), name="log.csv", options=Options(limits=Limits(max_bytes=3)))


def test_sniffing_survives_a_sample_it_cannot_parse():
    assert delimited.sniff_delimiter('"' + "x" * 200_000) == ","
    assert delimited.sniff_delimiter("") == ","
    assert delimited.sniff_delimiter("a;b\n" * 20_000) == ";"


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_a_table_or_a_coded_refusal(data):
    try:
        with open_table(io.BytesIO(data), name="log") as table:
            assert all(isinstance(row, Row | Rejected) for row in table.rows)
    except Invalid as refused:
        assert refused.code  # noqa: PT017 - either outcome is right, silence is not


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.text(alphabet='ab,;"\n\r\t é1ក', min_size=1, max_size=5), min_size=2, max_size=2),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from([",", ";", "\t", "|"]),
)
def test_what_was_written_is_read_back(records, delimiter):

    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([["h1", "h2"], *records])
    assert cells_of(out.getvalue().encode(), delimiter=delimiter) == records

"""Rows become values in our words; what no rule knows is kept and reported, and only a required gap rejects a row."""

from collections import defaultdict
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from helpline.foundation.errors import Invalid
from helpline.foundation.tabular import normalise
from helpline.foundation.tabular.mapping import read_mapping
from helpline.foundation.tabular.normalise import Normalised, compile_mapping
from helpline.foundation.tabular.table import Rejected, Row

PHNOM_PENH = ZoneInfo("Asia/Phnom_Penh")


def compiled(headers, *, fields=(), flags=(), zone=PHNOM_PENH, **more):
    targets = defaultdict(lambda: None) | dict.fromkeys(["when", "day", "age", "sex", "note", "reasons", "channel"])
    mapping = read_mapping({"name": "m", "fields": list(fields), "flags": list(flags), **more}, targets=targets)
    return compile_mapping(mapping, headers, time_zone=zone)


def field(target, *columns, **more):
    return {"target": target, "columns": list(columns), **more}


def apply(rule, *cells, headers=("A", "B"), **more):
    return compiled(headers, fields=[rule], **more).apply(Row(2, dict(zip(headers, (*cells, "", ""), strict=False))))


SEX = field(
    "sex", "A", "B", type="choice", values={"female": ["F", "Niña"], "male": ["M"]}, default="unknown", unknown=["99"]
)


@pytest.mark.parametrize("text", ["F", "f", " NIÑA ", "nina"])
def test_choices_are_matched_by_spelling(text):
    assert apply(SEX, text).values == {"sex": "female"}


def test_a_known_unknown_takes_the_default_and_is_no_news():
    for text in ("", " ", "99", "N/A"):
        row = apply(SEX, text, unknown=["n/a"])
        assert (row.values, row.unknown) == ({"sex": "unknown"}, [])


def test_an_unmapped_value_is_kept_and_reported():
    row = apply(SEX, "girl?")
    assert row == Normalised(2, {"sex": "unknown"}, {"A": "girl?", "B": ""}, [("A", "girl?")])


def test_the_next_column_is_asked_when_the_first_does_not_know():
    assert apply(SEX, "", "M").values == {"sex": "male"}
    row = apply(SEX, "x", "M")
    assert (row.values, row.unknown) == ({"sex": "male"}, [("A", "x")])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("12", 12), (" 7 ", 7), ("0", 0), ("120", 120), ("12.0", 12), ("12,00", 12), ("121", None), ("-1", None), ("12.5", 12), ("1,5", 1), ("1,500", None),
     ("1e3", None), ("doce", None), ("١٢", None), ("9" * 30, None)],
)  # fmt: skip
def test_integers_stay_within_their_bounds(text, expected):
    row = apply(field("age", "A", type="integer", min=0, max=120), text)
    assert row.values.get("age") == expected
    assert row.unknown == ([] if expected is not None else [("A", text)])


WHEN = field("when", "A", type="datetime", formats=["iso", "%d/%m/%Y %H:%M"], required=True)


def test_local_times_become_aware_in_the_centres_zone():
    assert apply(WHEN, "2017-01-02 03:04:05").values["when"] == datetime(2017, 1, 2, 3, 4, 5, tzinfo=PHNOM_PENH)
    assert apply(WHEN, "02/01/2017 03:04").values["when"] == datetime(2017, 1, 1, 20, 4, tzinfo=UTC)


def test_the_last_day_of_the_calendar_costs_its_row_and_no_more():
    row = apply(WHEN, "9999-12-31 23:00", zone=ZoneInfo("America/Argentina/Buenos_Aires"))
    assert row == Rejected(2, "datetime_out_of_range", "A", "9999-12-31 23:00")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [(("45292.75",), 18), (("45292",), 0), (("45292", "0.5"), 12), (("2024",), None), (("20240101",), None),
     (("99999999",), None)],
)  # fmt: skip
def test_a_sheets_count_of_days_is_read_where_the_mapping_says_so(texts, expected):
    rule = field("when", "A", "B", type="datetime", formats=["excel"], join=True)
    row = apply(rule, *texts)
    hour = None if expected is None else datetime(2024, 1, 1, expected, tzinfo=PHNOM_PENH)
    assert row.values.get("when") == hour


def test_what_the_importer_does_not_accept_counts_as_unread_and_the_next_column_is_asked():
    rule = {"name": "m", "fields": [field("age", "A", "B", type="integer")]}
    mapping = read_mapping(rule, targets={"age": None})
    accept = {"age": lambda age: age if age < 100 else normalise.OUT_OF_RANGE}
    normaliser = compile_mapping(mapping, ["A", "B"], accept=accept)
    row = normaliser.apply(Row(2, {"A": "999", "B": "9"}))
    assert (row.values, row.unknown) == ({"age": 9}, [("A", "999")])
    assert normaliser.told("age", {"A": "", "B": "9"}) == ("B", "9")


def test_the_mappings_own_zone_and_the_cells_own_offset_win():
    zoned = apply(WHEN, "2017-01-02 03:04:05", time_zone="America/Argentina/Buenos_Aires")
    assert zoned.values["when"] == datetime(2017, 1, 2, 6, 4, 5, tzinfo=UTC)
    assert apply(WHEN, "2017-01-02T03:04:05+00:00").values["when"] == datetime(2017, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_required_time_that_cannot_be_read_rejects_the_row():
    assert apply(WHEN, "ayer") == Rejected(2, "datetime_unreadable", "A", "ayer")
    assert apply(WHEN, "0017-01-02 03:04:05") == Rejected(2, "datetime_unreadable", "A", "0017-01-02 03:04:05")
    assert apply(WHEN, "") == Rejected(2, "value_missing", "A", "")


def test_date_and_time_in_two_columns_are_joined():
    rule = field("when", "A", "B", type="datetime", formats=["%d.%m.%Y %H:%M"], join=True, required=True)
    assert apply(rule, "02.01.2017 ", "03:04").values["when"] == datetime(2017, 1, 2, 3, 4, tzinfo=PHNOM_PENH)
    assert apply(rule, "", "") == Rejected(2, "value_missing", "A + B", "")
    assert apply(rule, "02.01.2017", "x") == Rejected(2, "datetime_unreadable", "A + B", "02.01.2017 x")
    with pytest.raises(Invalid, match="column_missing"):
        compiled(["A"], fields=[rule])


def test_dates_and_texts():
    assert apply(field("day", "A", type="date", formats=["%d/%m/%Y"]), "02/01/2017").values == {"day": date(2017, 1, 2)}
    assert apply(field("day", "A", type="date", formats=["iso"]), "x").unknown == [("A", "x")]
    assert apply(field("note", "A"), " hola ").values == {"note": "hola"}


FLAGS = {
    "target": "reasons",
    "yes": ["SI"],
    "no": ["NO"],
    "order": [{"column": "C", "code": "grave"}, {"column": "A", "code": "mild"}, {"column": "B", "code": "grave"}],
    "ignore": ["Z"],
}


@pytest.mark.parametrize(
    ("cells", "codes", "unknown"),
    [
        (("SI", "NO", "NO"), ("mild",), []),
        (("sí", "SI", "no"), ("mild", "grave"), []),
        (("SI", "SI", "SI"), ("grave", "mild"), []),
        (("SI", "?", ""), ("mild",), [("B", "?")]),
        (("", "", ""), (), [("reasons", "")]),
        (("NO", "x", "NO"), (), [("B", "x"), ("reasons", "")]),
    ],
)
def test_flags_become_codes_the_first_in_order_being_the_primary(cells, codes, unknown):
    row = compiled(["A", "B", "C"], flags=[FLAGS]).apply(Row(2, dict(zip("ABC", cells, strict=True))))
    assert (row.values["reasons"], row.unknown) == (codes, unknown)


def test_columns_are_found_by_spelling_and_what_is_missing_or_unread_is_said():
    normaliser = compiled(["  a", "Édad", "Z", "Extra"], fields=[field("age", "edad"), SEX], flags=[FLAGS])
    assert normaliser.missing == ("B", "C")
    assert normaliser.unmapped == ("Extra",)
    with pytest.raises(Invalid) as caught:
        compiled(["B"], fields=[WHEN])
    assert (caught.value.code, caught.value.details) == ("column_missing", {"target": "when", "column": "A"})


def test_a_mapping_without_any_time_zone_is_refused():
    with pytest.raises(Invalid, match="time_zone_missing"):
        compiled(["A"], fields=[WHEN], zone=None)


def test_constants_are_in_every_row_and_shared_by_none():
    normaliser = compiled(["A"], constants={"channel": "phone"})
    first, second = (normaliser.apply(Row(line, {"A": ""})) for line in (2, 3))
    assert first.values == second.values == {"channel": "phone"}
    assert first.values is not second.values


def test_rejected_records_pass_through():
    reject = Rejected(3, "too_few_cells")
    assert list(compiled(["A"]).apply_all([Row(2, {"A": ""}), reject])) == [Normalised(2, {}, {"A": ""}, []), reject]


def test_memory_is_bounded_and_results_are_the_same_beyond_it(monkeypatch):
    monkeypatch.setattr(normalise, "_REMEMBERED", 1)
    normaliser = compiled(["A", "B", "C"], fields=[SEX], flags=[FLAGS])
    rows = [normaliser.apply(Row(2, {"A": text, "B": "SI", "C": "NO"})) for text in ("F", "M", "F", "M")]
    assert [row.values["sex"] for row in rows] == ["female", "male", "female", "male"]
    assert {row.values["reasons"] for row in rows} == {("grave",)}

"""Both logs of Argentina's helpline 137 map whole. The totals were counted apart, by a script of the csv module alone."""

import csv
import io
import json
from collections import Counter
from pathlib import Path

import pytest
import xlsxwriter

from helpline.foundation.tabular.identity import Identities
from helpline.foundation.tabular.mapping import read_mapping
from helpline.foundation.tabular.normalise import Normalised, compile_mapping
from helpline.foundation.tabular.reading import open_table

ROOT = Path(__file__).parents[3]
LOGS = ROOT.parent / "shared" / "data"
DOCUMENT = json.loads((ROOT / "helpline/imports/data/mappings/ar-line137.json").read_text(encoding="utf-8"))
YES_NO = {"yes", "no", "unknown"}
GENDERS = {"female", "male", "other", "unknown"}
VIOLENCE = {
    "violence.sexual_violence",
    "violence.online_child_sexual_abuse_and_exploitation",
    "violence.physical_violence",
    "violence.psychological_emotional_violence",
    "violence.other",
}
TARGETS = {
    "started_at": None,
    "channel": {"phone"},
    "direction": {"in"},
    "kind": {"counselling"},
    "caller_relation": {
        *(
            "self",
            "child",
            "parent",
            "sibling",
            "relative",
            "neighbour",
            "friend",
            "teacher",
            "police",
            "health_worker",
        ),
        *("other_professional", "other", "unknown"),
    },
    "caller_age": None,
    "caller_gender": GENDERS,
    "province_code": {f"{code:02d}" for code in range(2, 95, 4)},
    "child_age": None,
    "child_gender": GENDERS,
    "nationality": {"AR", "BO", "BR", "CL", "PE", "PY", "UY", "other", "unknown"},
    "disability": YES_NO,
    "lives_with_alleged_perpetrator": YES_NO,
    "relation_to_alleged_perpetrator": {
        *("parent", "step_parent", "grandparent", "sibling", "other_relative", "partner", "former_partner"),
        *("acquaintance", "stranger", "unknown"),
    },
    "child_safe": YES_NO,
    "judicial": YES_NO,
    "subcategories": VIOLENCE,
}
BANDS = ((5, "0-5"), (9, "6-9"), (12, "10-12"), (15, "13-15"), (17, "16-17"), (25, "18-25"), (120, "26+"))
REPEATED = {2017: 78, 2018: 50}
UNKNOWN_VALUES = {
    2017: {("subcategories", ""): 919},
    2018: {("subcategories", ""): 965, ("victima_edad", "125"): 1},
}
# fmt: off
EXPECTED = {
    2017: {
        "rows": 2652,
        "month": {"2016-11": 214, "2016-12": 424, "2017-01": 116, "2017-02": 153, "2017-03": 127, "2017-04":
            88, "2017-05": 88, "2017-06": 75, "2017-07": 72, "2017-08": 173, "2017-09": 187, "2017-10": 244,
            "2017-11": 312, "2017-12": 379},
        "primary": {"unknown": 919, "violence.online_child_sexual_abuse_and_exploitation": 99,
            "violence.other": 4, "violence.physical_violence": 36,
            "violence.psychological_emotional_violence": 84, "violence.sexual_violence": 1510},
        "any": {"unknown": 919, "violence.online_child_sexual_abuse_and_exploitation": 120, "violence.other":
            232, "violence.physical_violence": 166, "violence.psychological_emotional_violence": 714,
            "violence.sexual_violence": 1524},
        "age": {"0-5": 473, "10-12": 334, "13-15": 384, "16-17": 159, "18-25": 287, "26+": 345, "6-9": 472,
            "unknown": 198},
        "gender": {"female": 1881, "male": 674, "other": 5, "unknown": 92},
        "province": {"02": 876, "06": 1167, "10": 9, "14": 138, "18": 10, "22": 10, "26": 19, "30": 17, "34":
            7, "38": 21, "42": 3, "46": 3, "50": 48, "54": 25, "58": 25, "62": 13, "66": 23, "70": 4, "74":
            16, "78": 15, "82": 96, "86": 9, "90": 32, "94": 12, "unknown": 54},
    },
    2018: {
        "rows": 3891,
        "month": {"2018-01": 211, "2018-02": 214, "2018-03": 244, "2018-04": 363, "2018-05": 259, "2018-06":
            214, "2018-07": 208, "2018-08": 312, "2018-09": 270, "2018-10": 486, "2018-11": 382, "2018-12":
            728},
        "primary": {"unknown": 965, "violence.online_child_sexual_abuse_and_exploitation": 178,
            "violence.other": 14, "violence.physical_violence": 29,
            "violence.psychological_emotional_violence": 174, "violence.sexual_violence": 2531},
        "any": {"unknown": 965, "violence.online_child_sexual_abuse_and_exploitation": 206, "violence.other":
            237, "violence.physical_violence": 202, "violence.psychological_emotional_violence": 1589,
            "violence.sexual_violence": 2558},
        "age": {"0-5": 419, "10-12": 435, "13-15": 604, "16-17": 332, "18-25": 652, "26+": 781, "6-9": 450,
            "unknown": 218},
        "gender": {"female": 3103, "male": 753, "other": 2, "unknown": 33},
        "province": {"02": 1886, "06": 1320, "10": 6, "14": 109, "18": 25, "22": 14, "26": 19, "30": 32, "34":
            14, "38": 12, "42": 6, "46": 7, "50": 75, "54": 10, "58": 20, "62": 31, "66": 27, "70": 10, "74":
            19, "78": 14, "82": 92, "86": 17, "90": 44, "94": 13, "unknown": 69},
    },
}
# fmt: on


def band(age):
    return "unknown" if age is None else next(name for top, name in BANDS if age <= top)


@pytest.fixture(scope="module", params=[2017, 2018])
def log(request):
    path = LOGS / f"line137_{request.param}.csv"
    if not path.exists():
        pytest.skip(f"The log {path.name} is not here: put it into shared/data beside the checkout to run this test.")
    mapping = read_mapping(DOCUMENT, targets=TARGETS)
    identities = Identities()
    with open_table(path, name=path.name) as table:
        normaliser = compile_mapping(mapping, table.headers)
        rows = [(normaliser.apply(row), identities(row.cells)) for row in table.rows]
        return request.param, table, normaliser, rows, identities


def test_every_row_becomes_a_call_and_counts_equal_an_independent_count(log):
    year, _table, _normaliser, rows, _identities = log
    calls = [row for row, _identity in rows]
    assert all(isinstance(row, Normalised) for row in calls)
    values = [row.values for row in calls]
    counted = {
        "rows": len(calls),
        "month": Counter(value["started_at"].strftime("%Y-%m") for value in values),
        "primary": Counter(next(iter(value["subcategories"]), "unknown") for value in values),
        "any": Counter(code for value in values for code in value["subcategories"] or ("unknown",)),
        "age": Counter(band(value.get("child_age")) for value in values),
        "gender": Counter(value["child_gender"] for value in values),
        "province": Counter(value.get("province_code", "unknown") for value in values),
    }
    assert counted == EXPECTED[year]


def test_identical_rows_are_told_apart_by_their_occurrence(log):
    year, _table, _normaliser, rows, identities = log
    assert len({identity for _row, identity in rows}) == len(rows)
    assert identities.repeated == REPEATED[year]


def test_the_whole_row_is_kept_and_what_is_not_known_is_reported(log):
    year, table, normaliser, rows, _identities = log
    assert table.encoding == "utf-8-sig"
    assert all(set(row.original) == set(table.headers) for row, _identity in rows)
    assert Counter(odd for row, _identity in rows for odd in row.unknown) == UNKNOWN_VALUES[year]
    assert (normaliser.missing, normaliser.unmapped) == ((), ("hecho_lugar",))


def test_times_are_those_of_argentina(log):
    _year, _table, _normaliser, rows, _identities = log
    assert {row.values["started_at"].utcoffset().total_seconds() for row, _identity in rows} == {-3 * 3600}


def resaved(headers, rows, form):
    """The rows written anew: as a semicolon file of an old Windows, of an old Mac, or as a workbook."""
    if form != "xlsx":
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter=";", lineterminator="\r" if form == "mac_roman" else "\r\n")
        writer.writerows([headers, *rows])
        return io.BytesIO(text.getvalue().encode(form))
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        sheet = book.add_worksheet()
        for number, cells in enumerate([headers, *rows]):
            sheet.write_row(number, 0, cells)
    return out


@pytest.mark.parametrize("form", ["cp1252", "mac_roman", "utf-16", "xlsx"])
def test_the_same_log_saved_in_another_form_is_the_same_log(log, form):
    _year, table, normaliser, rows, _identities = log
    some = [row for row, _identity in rows[:400]]
    headers = list(reversed(table.headers))
    source = resaved(headers, [[row.original[header] for header in headers] for row in some], form)
    identities = Identities()
    with open_table(source, name="again") as again:
        normaliser = compile_mapping(normaliser.mapping, again.headers)
        found = [(normaliser.apply(row), identities(row.cells)) for row in again.rows]
    assert [identity for _row, identity in found] == [identity for _row, identity in rows[:400]]
    assert [row.values for row, _identity in found] == [row.values for row in some]

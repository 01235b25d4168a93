"""A mapping document is refused, with the place of the fault, before a single row is read by it."""

import pytest

from helpline.foundation.errors import Invalid
from helpline.foundation.tabular.mapping import fold, read_mapping

TARGETS = {"started_at": None, "gender": {"female", "male", "unknown"}, "channel": {"phone"}, "reasons": {"a.b", "a.c"}}
GOOD = {
    "name": "old-log",
    "title": "Old log",
    "time_zone": "Asia/Phnom_Penh",
    "notes": ["free text"],
    "unknown": ["n/a"],
    "constants": {"channel": "phone"},
    "fields": [
        {
            "target": "started_at",
            "columns": ["When"],
            "type": "datetime",
            "formats": ["%d/%m/%Y", "iso"],
            "required": True,
        },
        {"target": "gender", "columns": ["Sex"], "type": "choice", "values": {"female": ["F"]}, "default": "unknown"},
    ],
    "flags": [
        {"target": "reasons", "yes": ["1"], "no": ["0"], "order": [{"column": "B", "code": "a.b"}], "ignore": ["X"]}
    ],
}


def changed(path, value):
    """GOOD with what stands at a dotted path replaced."""

    def walk(node, keys):
        if not keys:
            return value
        key = int(keys[0]) if isinstance(node, list) else keys[0]
        copy = list(node) if isinstance(node, list) else dict(node)
        copy[key] = walk(copy[key] if isinstance(node, list) or key in node else {}, keys[1:])
        return copy

    return walk(GOOD, path.split("."))


def test_a_good_document_is_read_and_kept():
    mapping = read_mapping(GOOD, targets=TARGETS)
    assert (mapping.name, mapping.time_zone.key) == ("old-log", "Asia/Phnom_Penh")
    assert mapping.fields[1].values == {"female": ("F",)}
    assert mapping.flags[0].order == (("B", "a.b"),)
    assert mapping.document is GOOD
    assert read_mapping({"name": "x"}, targets={}).time_zone is None


@pytest.mark.parametrize(
    ("path", "value", "code", "field"),
    [
        ("name", "", "mapping_shape", "name"),
        ("name", 3, "mapping_shape", "name"),
        ("colour", "red", "mapping_shape", "colour"),
        ("time_zone", "Mars/Olympus", "mapping_time_zone", "time_zone"),
        ("time_zone", "../etc", "mapping_time_zone", "time_zone"),
        ("unknown", "n/a", "mapping_shape", "unknown"),
        ("unknown", [3], "mapping_shape", "unknown"),
        ("constants", {"channel": "pigeon"}, "mapping_code", "constants.channel"),
        ("constants", {"weather": "rain"}, "mapping_target", "constants.weather"),
        ("constants", {"gender": "male"}, "mapping_target", "fields.1"),
        ("fields.0", "started_at", "mapping_shape", "fields.0"),
        ("fields.0.speed", 3, "mapping_shape", "fields.0.speed"),
        ("fields.0.type", "colour", "mapping_type", "fields.0.type"),
        ("fields.0.formats", [], "mapping_format", "fields.0.formats"),
        ("fields.0.formats", ["%Q"], "mapping_format", "fields.0.formats"),
        ("fields.0.formats", ["%d/%d/%Y"], "mapping_format", "fields.0.formats"),
        ("fields.0.formats", ["excel", "%Y%Y"], "mapping_format", "fields.0.formats"),
        ("fields.0.columns", [], "mapping_shape", "fields.0.columns"),
        ("fields.0.target", "ended_at", "mapping_target", "fields.0"),
        ("fields.0.required", "yes", "mapping_shape", "fields.0.required"),
        ("fields.0.min", True, "mapping_shape", "fields.0.min"),
        ("fields.1.values", {"girl": ["F"]}, "mapping_code", "fields.1"),
        ("fields.1.values", {"female": ["F"], "male": ["f "]}, "mapping_spelling", "fields.1.values.male"),
        ("fields.1.default", "none", "mapping_code", "fields.1"),
        ("flags.0.order", [{"column": "B", "code": "a.z"}], "mapping_code", "flags.0"),
        ("flags.0.order", [{"column": "B"}], "mapping_shape", "flags.0.order.0"),
        ("flags.0.order", None, "mapping_shape", "flags.0.order"),
        ("flags.0.target", "gender", "mapping_target", "flags.0"),
    ],
)
def test_a_fault_is_named_with_its_place(path, value, code, field):
    with pytest.raises(Invalid) as caught:
        read_mapping(changed(path, value), targets=TARGETS)
    assert (caught.value.code, caught.value.field) == (code, field)


@pytest.mark.parametrize("document", [[], "text", None])
def test_what_is_no_document_is_refused(document):
    with pytest.raises(Invalid, match="mapping_shape"):
        read_mapping(document, targets=TARGETS)


def test_spellings_fold_case_accents_and_spaces():
    assert fold("  Sí,  SEÑOR ") == "si, senor"
    assert fold("  NS/NC ") == "ns/nc"
    assert fold("Santa Fe\u0301") == fold("SANTA FÉ")

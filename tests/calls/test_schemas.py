"""What goes in by CallIn comes out by CallOut for whoever may read it, and not at all for whoever may not."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpline.calls import queries
from helpline.calls import vocabulary as v
from helpline.calls.commands import LogCall
from helpline.calls.schemas.call import CallIn, CallOut, content_of
from helpline.calls.schemas.form import call_data, child_numbers, field_name, started
from helpline.calls.services.log import log_call
from helpline.foundation.clock import now
from helpline.foundation.context import Channel
from helpline.foundation.db import unit_of_work
from helpline.foundation.ids import new_id
from helpline.people.vocabulary import AgeKnown, Answer, Gender

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40).filter(str.strip)
CODES = ["violence.neglect", "violence.physical_violence", "mental_health.mood", "violence"]
CHILD = st.fixed_dictionaries(
    {},
    optional={
        "name": WORDS, "age": st.integers(-1, 120), "age_known": st.sampled_from([a.value for a in AgeKnown]),
        "gender": st.sampled_from([g.value for g in Gender]), "nationality": WORDS,
        "disability": st.sampled_from([a.value for a in Answer]),
    },
)  # fmt: skip
MOMENT = now().astimezone(UTC).replace(microsecond=0)
BODY = st.fixed_dictionaries(
    {"started_at": st.timedeltas(timedelta(hours=1), timedelta(days=300)).map(lambda ago: (MOMENT - ago).isoformat())},
    optional={
        "channel": st.sampled_from([c.value for c in v.CallChannel]), "direction": st.sampled_from(["in", "out"]),
        "kind": st.sampled_from([k.value for k in v.CallKind]),
        "relation": st.sampled_from([r.value for r in v.Relation if r is not v.Relation.SELF]),
        "caller": st.fixed_dictionaries({"name": WORDS}, optional={"phone": WORDS, "age": st.integers(0, 100)}),
        "children": st.lists(CHILD, max_size=3), "categories": st.lists(st.sampled_from(CODES), unique=True),
        "danger": st.dictionaries(st.sampled_from(v.DangerAnswers.__slots__), st.sampled_from(["yes", "no", "unknown"])),
        "actions": st.lists(st.sampled_from([a.value for a in v.CallAction]), unique=True), "narrative": WORDS,
    },
)  # fmt: skip


@pytest.mark.usefixtures("in_app")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODY)
def test_a_call_comes_out_as_it_went_in_and_masked_for_whoever_reads_none(world, body):
    ctx, call_id = world.operator.ctx(Channel.API), new_id()
    with unit_of_work(ctx):
        data = CallIn().load(body | {"call_id": str(call_id)})
        log_call(ctx, LogCall(data.pop("call_id"), content_of(data)))
    with unit_of_work(world.operator.ctx()):
        call = queries.get_call(call_id)
        out = CallOut().dump(call)
    assert datetime.fromisoformat(out["started_at"]) == datetime.fromisoformat(body["started_at"])
    for name in ("channel", "direction", "kind", "narrative", "actions"):
        if name in body:
            assert out[name] == body[name]
    assert [term["code"] for term in out["categories"]] == body.get("categories", [])
    assert {**out["danger"], **body.get("danger", {})} == out["danger"]
    for child, told in zip(out["children"], body.get("children", []), strict=False):
        assert {name: child[name] for name in told if name != "age_known"} == {
            name: value for name, value in told.items() if name != "age_known"
        }
    if "caller" in body:
        assert (out["caller"]["name"], out["caller"]["phone"]) == (body["caller"]["name"], body["caller"].get("phone"))
    for reader in (world.admin, world.auditor):
        with unit_of_work(reader.ctx()):
            hidden = CallOut().dump(call)
        for name in ("narrative", "caller", "children", "categories", "danger", "risk_level", "place_id", "actions"):
            assert hidden[name] is None
            assert name in hidden["masked"] or name == "children"


ZONE = ZoneInfo("Asia/Phnom_Penh")


def test_a_forms_flat_names_become_children_in_order_and_local_times_instants():
    data = call_data(
        {
            "children-7-name": "B", "children-2-gender": "male", "started_at": "2026-11-23T21:40", "place_id_text": "x",
            "end": "case", "danger": {"hurt": "yes"},
        },
        ZONE,
    )  # fmt: skip
    assert data == {
        "children": [{"gender": "male"}, {"name": "B"}], "started_at": "2026-11-23T21:40:00+07:00",
        "danger": {"hurt": "yes"},
    }  # fmt: skip
    assert call_data({"started_at": "soon"}, ZONE)["started_at"] == "soon"


def test_a_problem_stands_beside_the_field_that_was_drawn():
    numbers = child_numbers(["children-2-age", "children-7-age"])
    assert field_name("children.1.age", numbers) == "children-7-age"
    assert field_name("danger.hurt", numbers) == "danger.hurt"
    assert field_name("categories.0", numbers) == "categories"


def test_a_call_began_when_its_id_was_minted():
    assert abs(started(new_id(), now()) - now()) < timedelta(seconds=5)
    long_after = now() + timedelta(days=2)
    assert started(new_id(), long_after) == long_after

"""Pages of calls: taking one, the list, one call, its correction and its history."""

import uuid
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, g, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext as _
from marshmallow import ValidationError
from werkzeug.wrappers import Response

from helpline.accounts.queries import get_centre
from helpline.calls import queries
from helpline.calls.commands import CorrectCall, LogCall
from helpline.calls.rules import judge
from helpline.calls.schemas.call import (
    CallCorrectionIn,
    CallDangerIn,
    CallIn,
    CallItemOut,
    CallOut,
    CallVoidIn,
    content_of,
)
from helpline.calls.schemas.form import (
    LISTS,
    TIMES,
    call_data,
    child_numbers,
    field_name,
    local_minute,
    started,
    typed_from,
)
from helpline.calls.schemas.lists import CallHistoryOut, CallQuery, EarlierCallOut, QuickCallIn, only_asked
from helpline.calls.services import correct, drafts, log
from helpline.calls.services.correct import snapshot
from helpline.calls.services.lists import narrowed, pick_reasons, reason_names, reasons_in
from helpline.calls.vocabulary import NONE, RiskLevel
from helpline.foundation.access.engine import holds
from helpline.foundation.access.permissions import Permission
from helpline.foundation.context import Context
from helpline.foundation.errors import Conflict, Invalid, NotFound
from helpline.foundation.ids import new_id
from helpline.foundation.keyset import decode_key, encode_key, held
from helpline.reference import queries as reference
from helpline.reference.rules import begins_a_word, spoken
from helpline.web.errors import SENTENCES
from helpline.web.forms import posted, refused
from helpline.web.guard import acting, guard

pages = Blueprint("calls", __name__, template_folder="templates")

SENTENCES.update(
    {
        "in_future": lambda: _("That time has not come yet."),
        "ends_before_start": lambda: _("The end lies before the start."),
        "place_unknown": lambda: _("No place is called so here. Choose one that is suggested, or leave it empty."),
        "place_unclear": lambda: _("Several places are called so. Choose one that is suggested."),
        "category_unknown": lambda: _("No reason is called so. Choose one that is suggested."),
        "risk_reason_needed": lambda: _("Say why you judge the danger otherwise."),
        "too_many_children": lambda: _("So many children do not fit in one call. Log a second one for the others."),
        "child_not_of_call": lambda: _("This child does not belong to the call. Open it again."),
        "call_voided": lambda: _("This call was voided meanwhile."),
        "age_negative": lambda: _("Write the age in years, from 0."),
        "age_unborn": lambda: _(
            "Write the age in years, from 0. For a child not yet born leave it empty and say so beside it."
        ),
        "phone_unlike": lambda: _("This is no phone number. Write remarks under “What is happening”."),
        "province_unknown": lambda: _("No province has this code."),
    }
)


@pages.get("/calls/new")
@guard(Permission.CALL_LOG)
def new_call() -> Response:
    """Take a call: it has its id, and so its draft, from the first moment."""
    return redirect(url_for(".write", call_id=new_id()), 303)


@pages.get("/calls/<uuid:call_id>/write")
@guard(Permission.CALL_LOG)
def write(call_id: uuid.UUID) -> Any:
    """The form of a call being taken, or taken up again; a call already logged is shown instead."""
    ctx = acting()
    logged = queries.find_posted(call_id)
    if logged is not None and logged.operator_id == ctx.actor.id:
        return redirect(url_for(".show", call_id=call_id), 303)
    draft = queries.find_draft(call_id)
    if draft is not None and draft.ended_at is not None:  # thrown away
        return redirect(url_for(".new_call"), 303)
    return _form(ctx, call_id, None)


def _write_again(problem: Exception | None) -> str:
    return _form(acting(), uuid.UUID(request.form["call_id"]), problem)


@pages.post("/calls")
@guard(Permission.CALL_LOG, retry=_write_again)
def log_call() -> Any:
    """End the call: it is kept once, however often this is posted. Then on to its case, or back to the desk."""
    ctx = acting()
    if _only_children():
        return _write_again(None)
    data = CallIn().load(call_data(_resolved(ctx), ZoneInfo(ctx.timezone)))
    logged = log.log_call(ctx, LogCall(data.pop("call_id"), content_of(data)))
    if request.form.get("end") == "case":
        return redirect(url_for("cases.open_case", call_id=logged.id), 303)
    return redirect(url_for("desk.call_desk", logged=logged.id), 303)


@pages.post("/calls/quick")
@guard(Permission.CALL_LOG)
def log_quick() -> Response:
    """A contact that was no counselling, by one key."""
    data = QuickCallIn().load(posted())
    logged = log.log_quick_call(acting(), data["kind"], data["call_id"], data["channel"])
    return redirect(url_for("desk.call_desk", logged=logged.id), 303)


@pages.post("/calls/<uuid:call_id>/discard")
@guard(Permission.CALL_LOG)
def discard(call_id: uuid.UUID) -> Response:
    """Throw a parked call away."""
    drafts.discard_draft(acting(), call_id)
    return redirect(url_for("desk.call_desk", dropped=call_id), 303)


@pages.post("/calls/risk")
@guard(Permission.CALL_LOG)
def risk() -> str:
    """How dangerous it is as far as the form says so, and what to do now: a fragment."""
    ctx = acting()
    return render_template(
        "calls/risk.html", risk=_judged(ctx), now_numbers=_emergency(ctx), fragment=True, over="version" in request.form
    )


@pages.post("/calls/before")
@guard(Permission.CALL_READ)
def before() -> str:
    """Earlier calls from the number in the form, as far as the reader sees them; recorded."""
    ctx = acting()
    phone = request.form.get("caller.phone", "").strip()
    call_id = uuid.UUID(request.form["call_id"])
    found, count = queries.list_earlier(phone, _country(ctx), call_id) if phone else ([], 0)
    return render_template(
        "calls/before.html", earlier=EarlierCallOut(many=True).dump(found), count=count, asked=bool(phone), now=ctx.now
    )


@pages.get("/calls/reasons")
@guard(Permission.CALL_LOG)
def reasons() -> Response:
    """What the form's field asks: reasons that begin as typed (`q`), those of a category (`under`), or these (`codes`);
    without any of it the categories, to be opened.
    """
    asked = {name: request.args.get(name, "")[:2000] for name in ("q", "under", "codes")}
    return jsonify(pick_reasons(acting().locale, **asked, alone=_("nothing nearer is known")))


@pages.get("/calls")
@guard(Permission.CALL_READ)
def list_calls() -> str:
    """Calls within my reach, newest first."""
    ctx = acting()
    asked = CallQuery().load(only_asked(request.args))
    wanted, after = narrowed(ctx, asked), decode_key(asked["after"])
    found = queries.list_calls(wanted, after)
    shown, more = found[: queries.PAGE], len(found) > queries.PAGE
    kept: dict[str, Any] = {name: value for name, value in request.args.items() if name != "after" and value.strip()}
    older = url_for(".list_calls", **kept, after=encode_key(shown[-1].started_at, shown[-1].id)) if more else None
    return render_template(
        "calls/list.html", calls=CallItemOut(many=True).dump(shown), older=older, asked=asked, now=ctx.now,
        kept=kept, held=held(found, queries.PAGE, after, lambda: queries.count_calls(wanted)), **_choices(ctx, asked),
    )  # fmt: skip


def _choices(ctx: Context, asked: Mapping[str, Any]) -> dict[str, Any]:
    country = _country(ctx)
    provinces = reference.list_places(country, reference.country(country).place_levels[0].code)
    reasons = [(code, f"{group}: {label}" if group else label) for code, label, group, _names in reasons_in(ctx.locale)]
    by_id = {str(place.id): place.code for place in provinces}
    return {
        "provinces": [(place.code, spoken(place.names, ctx.locale)) for place in provinces],
        "province": by_id.get(asked["province"], asked["province"]),
        "main_reasons": _with_kept([*reasons, (NONE, _("No reason noted"))], asked["category"]),
        "any_reasons": _with_kept(reasons, asked["any_category"]),
    }  # fmt: skip


@pages.get("/calls/<uuid:call_id>")
@guard(Permission.CALL_READ)
def show(call_id: uuid.UUID) -> str:
    """One call with its words and people, as far as the reader's role goes."""
    return _show(acting(), call_id)


def _show(ctx: Context, call_id: uuid.UUID, problem: Exception | None = None) -> str:
    call = queries.get_call(call_id)
    if call.operator_id == ctx.actor.id:
        g.drafts_done = (call_id,)
    may = {
        "correct": holds(ctx.actor, Permission.CALL_CORRECT), "void": holds(ctx.actor, Permission.CALL_VOID),
        "case": holds(ctx.actor, Permission.CASE_OPEN), "keep": holds(ctx.actor, Permission.RETENTION_REVIEW),
    }  # fmt: skip
    return render_template("calls/show.html", call=CallOut().dump(call), may=may, now=ctx.now, form=refused(problem))


def _show_again(problem: Exception | None, call_id: uuid.UUID) -> str:
    return _show(acting(), call_id, problem)


@pages.post("/calls/<uuid:call_id>/void")
@guard(Permission.CALL_VOID, retry=_show_again)
def void(call_id: uuid.UUID) -> Response:
    """Take a call out of lists and figures, with a reason."""
    form = posted()
    home = form.pop("home", None)
    data = CallVoidIn().load(form)
    correct.void_call(acting(), call_id, data["version"], data["reason"])
    return redirect(url_for("desk.call_desk") if home else url_for(".show", call_id=call_id), 303)


def _correct_again(problem: Exception | None, call_id: uuid.UUID) -> str:
    return _form(acting(), call_id, problem, queries.get_call(call_id))


@pages.route("/calls/<uuid:call_id>/correction", methods=["GET", "POST"])
@guard(Permission.CALL_CORRECT, retry=_correct_again)
def correction(call_id: uuid.UUID) -> Any:
    """Say what the call should say; what it said stays in its history."""
    ctx = acting()
    if request.method == "GET" or _only_children():
        return _correct_again(None, call_id)
    form = _without_same_times(_resolved(ctx), call_id, ZoneInfo(ctx.timezone))
    form.pop("call_id", None)
    data = CallCorrectionIn().load(call_data(form, ZoneInfo(ctx.timezone)))
    version, reason = data.pop("version"), data.pop("reason")
    correct.correct_call(ctx, CorrectCall(call_id, version, content_of(data), reason))
    return redirect(url_for(".show", call_id=call_id), 303)


def _without_same_times(form: dict[str, Any], call_id: uuid.UUID, zone: ZoneInfo) -> dict[str, Any]:
    """The form knows minutes only: a time that it still shows as it was stays as it was, to the second."""
    call = queries.find_posted(call_id)
    same = {name for name in TIMES if call and form.get(name) == local_minute(getattr(call, name), zone)}
    return {name: value for name, value in form.items() if name not in same}


@pages.get("/calls/<uuid:call_id>/history")
@guard(Permission.CALL_READ)
def history(call_id: uuid.UUID) -> str:
    """What the call said before each change."""
    ctx = acting()
    call = queries.get_call(call_id)
    shown = CallHistoryOut().dump({"id": call_id, "items": queries.history(call_id)})
    became, entries = snapshot(call), []
    for item in shown["items"] or []:
        was = item["before"]
        entries.append(item | {"changes": _changes(was, became) if was is not None else None})
        became = was or became
    return render_template(
        "calls/history.html",
        call=CallItemOut().dump(call),
        entries=entries,
        now=ctx.now,
        names=reason_names(ctx.locale),
    )


def _changes(was: dict[str, Any], became: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    return [(name, was.get(name), became.get(name)) for name in became if was.get(name) != became.get(name)]


def _form(ctx: Context, call_id: uuid.UUID, problem: Exception | None, call: Any = None) -> str:
    """The form: empty, as it was typed, or as the call stands."""
    zone = ZoneInfo(ctx.timezone)
    began = started(call_id, ctx.now)
    draft = queries.find_draft(call_id) if call is None else None
    form: dict[str, Any] = {"data": {"started_at": local_minute(began, zone), "channel": "phone", "direction": "in"}}
    if request.method == "POST":
        form = _typed(problem)
    elif call is not None:
        form = {"data": typed_from(call, zone, lambda names: spoken(names, ctx.locale))}
    numbers = child_numbers(form["data"])
    if request.form.get("remove_children", "").isdecimal():
        numbers = [number for number in numbers if number != int(request.form["remove_children"])]
    if "add_children" in request.form or not numbers:
        numbers.append(max(numbers, default=-1) + 1)
    stale = isinstance(problem, Conflict) and problem.code == "stale" and call is not None
    names = reason_names(ctx.locale)
    return render_template(
        "calls/form.html", form=form, call_id=call_id, numbers=numbers, started=began.isoformat(timespec="seconds"),
        now=ctx.now, names=names, call=CallItemOut().dump(call) if call else None,
        meanwhile=_meanwhile(call) if stale else None,
        selected=[{"value": code} | names[code] for code in form["data"].get("categories", []) if code in names],
        draft_saved=drafts.stamp(draft.saved_at) if draft and draft.ended_at is None else None,
        risk=_judged(ctx, form["data"]), now_numbers=_emergency(ctx), languages=_languages(ctx), fragment=False,
        kept_too=lambda options, name: _with_kept(options, form["data"].get(name)),
    )  # fmt: skip


def _with_kept(options: list[tuple[str, str]], value: Any) -> list[tuple[str, str]]:
    """A choice that came by another door stays one."""
    return options if not value or value in dict(options) else [*options, (value, value)]


def _meanwhile(call: Any) -> list[tuple[str, Any, Any]]:
    """What somebody else changed since the version this form began from."""
    version = request.form.get("version", "")
    was = queries.find_before(call.id, int(version)) if version.isdecimal() else None
    return _changes(was, snapshot(call)) if was else []


def _typed(problem: Exception | None) -> dict[str, Any]:
    """What was typed and what was wrong with it, under the form's own names."""
    form = refused(problem, *LISTS) or {"data": (refused(Invalid("none"), *LISTS) or {})["data"], "errors": {}}
    numbers = child_numbers(request.form)
    return form | {"errors": {field_name(path, numbers): found for path, found in form["errors"].items()}}


def _only_children() -> bool:
    """Without script, adding and taking away a child are buttons of the form."""
    return "add_children" in request.form or "remove_children" in request.form


def _resolved(ctx: Context) -> dict[str, Any]:
    """The form, with places and reasons that were typed but not chosen looked up by name."""
    form = posted(*LISTS)
    place, reason = form.get("place_id_text", "").strip(), form.get("categories_text", "").strip()
    if place and not form.get("place_id"):
        found = reference.search_places(_country(ctx), place.partition(",")[0])
        if not found:
            raise Invalid("place_unknown", "place_id")
        if len(found) > 1 and found[0].depth == found[1].depth:
            raise Invalid("place_unclear", "place_id")
        form["place_id"] = str(found[0].id)
    if reason:
        codes = [code for code, *_rest, names in reasons_in(ctx.locale) if begins_a_word(reason, names[:2])]
        if not codes:
            raise Invalid("category_unknown", "categories")
        form["categories"] = list(dict.fromkeys([*form["categories"], codes[0]]))
    return form


def _judged(ctx: Context, data: dict[str, Any] | None = None) -> dict[str, Any]:
    """Level and reasons as far as the form can be read; what can't be is not known."""
    source = request.form if data is None else data
    answers = {name.removeprefix("danger."): source[name] for name in source if name.startswith("danger.")}
    try:
        danger = CallDangerIn().load(answers)
    except ValidationError:
        danger = CallDangerIn().load({})
    codes = dict.fromkeys(request.form.getlist("categories") if data is None else data.get("categories", []))
    typed = [str(source.get(f"children-{number}-age", "")) for number in child_numbers(source)]
    ages = [int(age) for age in typed if age.isdecimal() and len(age) < 4]  # noqa: PLR2004
    level, why = judge(danger, codes, ages)
    by_hand = str(source.get("risk_level") or "")
    names = reason_names(ctx.locale) if any("value" in reason for reason in why) else {}
    return {
        "level": level.value, "reasons": why, "names": names, "asked": bool(set(answers.values()) - {"unknown"}),
        "by_hand": by_hand if by_hand in set(RiskLevel) else "",
    }  # fmt: skip


def _country(ctx: Context) -> str:
    if ctx.actor.centre_id is None:
        raise NotFound("centre")
    return get_centre(ctx.actor.centre_id).country.upper()


def _emergency(ctx: Context) -> list[dict[str, str]]:
    return [asdict(number) for number in reference.country(_country(ctx)).emergency_numbers]


def _languages(ctx: Context) -> tuple[str, ...]:
    return reference.country(_country(ctx)).caller_languages

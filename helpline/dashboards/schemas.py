"""Figures as the page and the API show them."""

from typing import Any

from flask_babel import lazy_gettext as _l
from marshmallow import ValidationError, validates_schema
from marshmallow import fields as f
from marshmallow.validate import OneOf

from helpline.dashboards.vocabulary import Period
from helpline.foundation.access.permissions import FieldGroup
from helpline.web.schema import In, Out


class FiguresQuery(In):
    """What to count: a usual period or days of one's own (local, both included)."""

    group = FieldGroup.STATISTICS

    period = f.Enum(Period, by_value=True, load_default=Period.MONTH)
    first = f.Date(data_key="from", load_default=None, allow_none=True)
    last = f.Date(data_key="to", load_default=None, allow_none=True)
    team = f.UUID(load_default=None, allow_none=True)
    source = f.String(load_default=None, allow_none=True, validate=OneOf(["live", "imported"]))

    @validates_schema
    def _in_order(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if data.get("first") and data.get("last") and data["first"] > data["last"]:
            raise ValidationError([_l("The last day comes before the first.")], "to")


class CountOut(Out):
    group = FieldGroup.STATISTICS

    key = f.String(required=True, metadata={"description": "Code, id, day or month; empty: not told"})
    count = f.Integer(required=True)


class CellOut(Out):
    group = FieldGroup.STATISTICS

    row = f.String(required=True)
    column = f.String(required=True)
    count = f.Integer(required=True)


class LoadOut(Out):
    group = FieldGroup.DIRECTORY

    user_id = f.UUID(required=True)
    name = f.String(required=True)
    count = f.Integer(required=True)


def _counts() -> f.List[Any]:
    return f.List(f.Nested(CountOut), required=True)


class CallFiguresOut(Out):
    """Calls that were not voided; children count each call once per age band and gender."""

    group = FieldGroup.STATISTICS

    total = f.Integer(required=True)
    counselling = f.Integer(required=True)
    hours = f.List(f.Nested(CellOut), metadata={"description": "row: ISO weekday, column: hour, local"})
    days = _counts()
    months = _counts()
    channels = _counts()
    kinds = _counts()
    categories = _counts()
    subcategories = _counts()
    any_categories = _counts()
    any_subcategories = _counts()
    provinces = _counts()
    risks = f.List(
        f.Nested(CountOut), required=True, metadata={"description": "Of counselling calls, which alone are judged"}
    )
    children = f.List(f.Nested(CellOut), metadata={"description": "row: age band, column: gender"})


class WorkFiguresOut(Out):
    """What is open now, whatever the period."""

    group = FieldGroup.STATISTICS

    cases_by_risk = _counts()
    unassigned_late = f.Integer(required=True)
    response_late = f.Integer(required=True)
    overdue_by_risk = _counts()
    referrals = _counts()
    answers_late = f.Integer(required=True, metadata={"description": "Referrals whose agency was to have answered"})
    caseload = f.List(f.Nested(LoadOut), required=True)


class FiguresOut(Out):
    """Everything a supervisor's page counts."""

    group = FieldGroup.STATISTICS

    first = f.Date(data_key="from", allow_none=True)
    last = f.Date(data_key="to", allow_none=True)
    counted_at = f.AwareDateTime(required=True)
    calls = f.Nested(CallFiguresOut, required=True)
    work = f.Nested(WorkFiguresOut, required=True)

import dataclasses
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask import Flask

from helpline.foundation import i18n
from helpline.foundation.context import Channel, active, system_context
from helpline.foundation.i18n import as_utc, format_age, format_due, format_when, init_i18n, select_locale, speaking

PP = ZoneInfo("Asia/Phnom_Penh")
NOW = datetime(2026, 11, 23, 21, 40, tzinfo=PP)


@pytest.fixture
def app():
    app = Flask(__name__)
    init_i18n(app)
    return app


@pytest.fixture
def english(app):
    with app.test_request_context(headers={"Accept-Language": "en"}):
        yield


def context(locale="km"):
    return dataclasses.replace(system_context("reminder", channel=Channel.PAGE), locale=locale)


def test_a_person_s_own_language_beats_the_cookie_and_the_cookie_the_browser(app):
    headers = {"Accept-Language": "km", "Cookie": "locale=en"}
    with app.test_request_context(headers=headers):
        assert select_locale() == "en"
        assert app.extensions["helpline_locale"]() == "en"
        with active(context("km")):
            assert select_locale() == "km"
    with app.test_request_context(headers={"Accept-Language": "km-KH,km;q=0.9"}):
        assert select_locale() == "km"


def test_a_language_we_do_not_speak_is_english(app):
    with app.test_request_context(headers={"Accept-Language": "fr", "Cookie": "locale=fr"}):
        assert select_locale() == "en"
    assert select_locale() == "en"


@pytest.mark.parametrize(
    ("when", "said"),
    [
        (datetime(2026, 11, 23, 21, 52, tzinfo=PP), "today 21:52"),
        (datetime(2026, 11, 22, 17, 30, tzinfo=UTC), "today 00:30"),
        (datetime(2026, 11, 24, 9, 0, tzinfo=PP), "tomorrow 09:00"),
        (datetime(2026, 11, 22, 23, 59, tzinfo=PP), "yesterday 23:59"),
        (datetime(2026, 11, 20, 14, 0, tzinfo=PP), "20 Nov 14:00"),
        (datetime(2025, 11, 20, 14, 0, tzinfo=PP), "20 Nov 2025"),
    ],
)
def test_instants_are_said_as_people_say_them(english, when, said):
    assert format_when(when, NOW, PP) == said


def test_the_centre_s_time_zone_is_the_context_s(english):
    moment = datetime(2026, 11, 23, 14, 52, tzinfo=UTC)
    assert format_when(moment, moment) == "today 14:52"
    with active(context()):
        assert format_when(moment, moment) == "today 21:52"


def test_khmer_months_and_ascii_digits(app):
    with app.test_request_context(), speaking("km"):
        assert format_when(datetime(2026, 11, 20, 14, 0, tzinfo=PP), NOW, PP) == "20 វិច្ឆិកា 14:00"


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        (0, "due now"),
        (180, "in 3 h"),
        (-40, "40 min late"),
        (1, "in 1 min"),
        (-60, "1 h late"),
        (-60 * 47, "47 h late"),
        (60 * 24 * 3 + 5, "in 3 days"),
    ],
)
def test_lateness_is_a_sentence(english, minutes, said):
    assert format_due(NOW + timedelta(minutes=minutes), NOW) == said


@pytest.mark.parametrize(
    ("age", "said"), [(9, "9 years"), (1, "1 year"), (0, "under one year"), (-1, "not yet born"), (None, "age unknown")]
)
def test_ages_are_words(english, age, said):
    assert format_age(age) == said


def test_machines_get_utc():
    assert as_utc(NOW) == "2026-11-23T14:40:00+00:00"
    assert i18n.LANGUAGES == ("en", "km")

"""The figures equal what anybody counts by hand, and each number is the length of the list it leads to."""

import csv
from collections import Counter
from datetime import date

import psycopg
import pytest

from helpline.app import create_app
from helpline.dashboards import services
from helpline.dashboards.vocabulary import Period, Span
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.errors import Forbidden, NotFound
from helpline.imports.commands import ImportFile
from helpline.imports.services import running
from helpline.settings import ROOT
from tests.factories.accounts import make_centre, make_team, make_user, sign_in

LOGS = ROOT.parent / "shared" / "data"
BANDS = ((5, "0-5"), (9, "6-9"), (12, "10-12"), (15, "13-15"), (17, "16-17"), (25, "18-25"))
GENDERS = {"femenino": "female", "mujer": "female", "masculino": "male", "varón": "male", "trans": "other"}
# By hand from the mapping's own table: what each column of the log means, the gravest first.
SEXUAL = [
    "vs_violacion_via_vaginal",
    "vs_violacion_via_anal",
    "vs_violacion_via_oral",
    "vs_tentativa_violacion",
    "vs_Intento_violación_tercera_persona",
    "vs_explotacion_sexual",
    "vs_explotacion_sexual_comercial",
    "vs_explotacion_sexual_viajes_turismo",
    "vs_sospecha_trata_personas_fines_sexuales",
    "vs_existencia_facilitador_corrupcion_nnya",
    "vs_iniciacion_sexual_forzada_inducida",
    "vs_eyaculacion_partes_cuerpo",
    "vs_tocamiento_sexual",
    "vs_intento_tocamiento",
]
ONLINE = ["vs_obligacion_sacarse_fotos_pornograficas", "vs_grooming", "ofv_grooming"]
SEXUAL_TOO = [
    "vs_exhibicionismo",
    "vs_amenazas_verbales_contenido_sexual",
    "vs_acoso_sexual",
    "vs_otra_forma_violencia_sexual",
]
PHYSICAL = [
    "ofv_intento_matar",
    "ofv_uso_arma_fuego",
    "ofv_uso_arma_blanca",
    "ofv_intento_ahorcar",
    "ofv_intento_quemar",
    "ofv_intento_ahogar",
    "ofv_violencia_fisica",
    "ofv_uso_sustancias_psicoactivas",
    "ofv_privacion_libertad",
    "ofv_intento_privacion_libertad",
]
THREATS = ["ofv_amenaza_muerte", "ofv_amenaza_explicita", "ofv_sentimiento_amenaza", "ofv_enganio_seduccion"]
OTHER = ["ofv_uso_animal_victimizar", "ofv_otra_forma_violencia"]
ORDER = [
    *((column, "violence.sexual_violence") for column in SEXUAL),
    *((column, "violence.online_child_sexual_abuse_and_exploitation") for column in ONLINE),
    *((column, "violence.sexual_violence") for column in SEXUAL_TOO),
    *((column, "violence.physical_violence") for column in PHYSICAL),
    *((column, "violence.psychological_emotional_violence") for column in THREATS),
    *((column, "violence.other") for column in OTHER),
]
# Counted once by a script of its own, from the files alone.
TOTALS = {
    2017: {"calls": 2652, "2016-11": 214, "violence.sexual_violence": 1510, "any": 1524, "0-5": 473, "female": 1881, "06": 1167},
    2018: {"calls": 3891, "2018-12": 728, "violence.sexual_violence": 2531, "any": 2558, "0-5": 419, "female": 3103, "06": 1320},
}  # fmt: skip


def band(text):
    if not text.isdigit() or int(text) > 120:
        return "unknown"
    return next((name for top, name in BANDS if int(text) <= top), "26+")


def reasons(row):
    return list(dict.fromkeys(code for column, code in ORDER if row[column].strip().upper() in {"SI", "SÍ"}))


def counts(found):
    return {each.key: each.count for each in found}


@pytest.fixture(scope="module", params=[2017, 2018])
def argentina(request, settings, database_urls):
    """A real log in a centre of its own, its supervisor, and the same file read by the csv module."""
    path = LOGS / f"line137_{request.param}.csv"
    if not path.exists():
        pytest.skip(f"The log {path.name} is not here: put it into shared/data beside the checkout to run this test.")
    zone = "America/Argentina/Buenos_Aires"
    centre = make_centre(database_urls["owner"], country="AR", timezone=zone, languages=("en",))
    user = make_user(centre, "supervisor")
    with psycopg.connect(database_urls["owner"]) as connection:
        code = connection.execute("SELECT code FROM centres WHERE id = %s", [centre.id]).fetchone()[0]
    web = create_app(settings, database_role="web")
    with web.app_context(), path.open("rb") as stream:
        assert (
            running.import_file(ImportFile(code, user.login, path.name, stream), lambda _d, _t: None).error_code is None
        )
        db.engine.dispose()
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return request.param, user, list(csv.DictReader(stream))


ALWAYS = Span(None, None)


def figures_of(user, period=Period.ALL, span=ALWAYS, **more):
    with unit_of_work(user.ctx()) as ctx:
        return services.count_figures(ctx, period, span, **more)


def test_a_real_log_is_counted_as_anybody_would(in_app, argentina):
    year, user, rows = argentina
    calls = figures_of(user).calls
    assert calls.total == len(rows) == TOTALS[year]["calls"]
    assert counts(calls.months) == Counter(row["llamado_fecha_hora"][:7] for row in rows)
    primary = Counter(next(iter(reasons(row)), "") for row in rows)
    assert counts(calls.subcategories) == primary
    assert counts(calls.categories) == {"violence": len(rows) - primary[""], "": primary[""]}
    assert counts(calls.any_subcategories) == Counter(code for row in rows for code in reasons(row))
    assert counts(calls.any_categories) == {"violence": len(rows) - primary[""]}
    children = Counter(
        (band(row["victima_edad"]), GENDERS.get(row["victima_genero"].strip().lower(), "unknown")) for row in rows
    )
    assert {(cell.row, cell.column): cell.count for cell in calls.children} == children
    hours = Counter(row["llamado_fecha_hora"][11:13] for row in rows)
    found = Counter()
    for cell in calls.hours:
        found[f"{int(cell.column):02d}"] += cell.count
    assert found == hours


def test_literal_totals(in_app, argentina):
    year, user, _rows = argentina
    calls, wanted = figures_of(user).calls, TOTALS[year]
    month = next(key for key in wanted if key[:2] == "20")
    assert counts(calls.months)[month] == wanted[month]
    assert counts(calls.subcategories)["violence.sexual_violence"] == wanted["violence.sexual_violence"]
    assert counts(calls.any_subcategories)["violence.sexual_violence"] == wanted["any"]
    assert sum(cell.count for cell in calls.children if cell.row == "0-5") == wanted["0-5"]
    assert sum(cell.count for cell in calls.children if cell.column == "female") == wanted["female"]
    with psycopg.connect(user.centre.owner_url) as connection:
        codes = dict(connection.execute("SELECT id::text, code FROM places WHERE country = 'AR'").fetchall())
    provinces = {codes[each.key]: each.count for each in calls.provinces if each.key}
    assert provinces["06"] == wanted["06"]


def test_a_month_is_the_centres_own(in_app, argentina):
    year, user, rows = argentina
    first, last = date(year, 3, 1), date(year, 3, 31)
    calls = figures_of(user, Period.CUSTOM, Span(first, last)).calls
    assert calls.total == sum(row["llamado_fecha_hora"].startswith(f"{year}-03") for row in rows)


def test_it_takes_as_many_statements_for_many_calls_as_for_none(in_app, argentina, statements):
    _year, user, _rows = argentina
    nobody = make_user(make_centre(user.centre.owner_url), "supervisor")
    numbers = []
    for who in (nobody, user):
        statements.clear()
        figures_of(who)
        numbers.append(len(statements))
    assert numbers[0] == numbers[1] <= 12


@pytest.mark.parametrize("role", ["operator", "caseworker", "admin", "auditor"])
def test_others_see_no_figures(in_app, centre, role):
    with pytest.raises(Forbidden):
        figures_of(make_user(centre, role))


def test_a_team_supervisor_counts_their_teams_alone(in_app, centre):
    own, other = make_team(centre), make_team(centre)
    user = make_user(centre, "team_supervisor", own)
    assert figures_of(user).wanted.team_ids == (own,)
    with pytest.raises(NotFound):
        figures_of(user, team_id=other)


def test_each_number_leads_to_a_list_as_long(client, argentina):
    year, user, _rows = argentina
    sign_in(client, user)
    page = client.get("/figures?period=all")
    assert page.status_code == 200
    text = page.get_data(as_text=True)
    assert str(TOTALS[year]["calls"]) in text
    listed = client.get("/calls?source=imported&gender=female&age_band=0-5")
    assert listed.status_code == 200


def test_days_that_cannot_be_read_are_said(client, make_person):
    sign_in(client, make_person("supervisor"))
    answer = client.get("/figures?from=2026-02-01&to=2026-01-01")
    assert answer.status_code == 200
    assert "comes before" in answer.get_data(as_text=True)
    assert client.get("/figures?from=tomorrow").status_code == 200


def test_nothing_yet_is_said_calmly(client, make_person):
    sign_in(client, make_person("supervisor"))
    assert "No calls in these days" in client.get("/figures").get_data(as_text=True)

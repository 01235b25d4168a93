"""The demo helpline's house: a centre, teams, staff with generated passwords, and partner agencies."""

import secrets
import uuid
from dataclasses import dataclass, field, replace
from datetime import timedelta

from helpline.accounts import queries as accounts
from helpline.accounts.commands import InviteUser, SaveTeam
from helpline.accounts.services.house import create_team, open_centre
from helpline.accounts.services.staff import add_demo_user
from helpline.agencies.commands import SaveAgency, ServiceOffer
from helpline.agencies.services import add_agency
from helpline.demo import cast
from helpline.foundation.context import Actor, Context
from helpline.foundation.ids import new_id
from helpline.reference import queries as reference
from helpline.reference.models import Place

HISTORY = timedelta(weeks=4)
_WORDS = tuple(
    "lotus river mango temple silk rain palm bamboo boat star moon garden kite rice drum lake hill bird".split()  # noqa: SIM905
)


@dataclass
class Made:
    """What stands: actors by login, teams by name, provinces by code."""

    centre_id: uuid.UUID
    timezone: str
    actors: dict[str, Actor] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    teams: dict[str, uuid.UUID] = field(default_factory=dict)
    provinces: dict[str, Place] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict, repr=False)

    def team_of(self, province: str) -> str:
        return next((team for team, codes in cast.TEAMS.items() if province in codes), cast.PHNOM_PENH)


def is_there() -> bool:
    """Whether the demo helpline was made before."""
    return accounts.find_centre_by_code(cast.CENTRE[0]) is not None


def make_house(now: Context) -> Made:
    """Make centre, teams, staff and agencies, in the open unit of work of the keeper."""
    code, name, country, phone = cast.CENTRE
    ctx = replace(now, now=now.now - HISTORY, timezone="Asia/Phnom_Penh")
    centre = open_centre(ctx, new_id(), country, code, name, phone=phone)
    made = Made(centre.id, centre.timezone)
    made.provinces = {place.code: place for place in reference.list_places(country, "province")}
    for team, codes in cast.TEAMS.items():
        team_id = new_id()
        own = tuple(made.provinces[c].id for c in codes) or tuple(
            place.id for c, place in made.provinces.items() if made.team_of(c) == team
        )
        create_team(ctx, SaveTeam(team_id, team, own, centre_id=centre.id))
        made.teams[team] = team_id
    for member in cast.STAFF:
        _add(ctx, made, member)
    for house in cast.AGENCIES:
        _add_agency(ctx, made, house)
    return made


def _add(ctx: Context, made: Made, member: cast.Member) -> None:
    password = "-".join(secrets.choice(_WORDS) for _ in range(4)) + f"-{secrets.randbelow(9000) + 1000}"
    user_id, teams = new_id(), tuple(made.teams[team] for team in member.teams)
    command = InviteUser(
        user_id, member.name, member.login, f"{member.login}@demo.invalid", member.role, "en", teams, made.centre_id
    )
    add_demo_user(ctx, command, password)
    made.actors[member.login] = Actor(id=user_id, role=member.role, centre_id=made.centre_id, team_ids=teams)
    made.names[member.login] = member.name
    if member.shown:
        made.passwords[member.login] = password


def _add_agency(ctx: Context, made: Made, house: cast.House) -> None:
    opens, closes = house.hours
    offers = tuple(
        ServiceOffer(service, house.youngest, house.oldest, (), house.capacity) for service in house.services
    )
    add_agency(
        ctx,
        SaveAgency(
            new_id(), {"en": house.name, "km": house.name_km}, house.kind, offers,
            coverage=tuple(made.provinces[c].id for c in house.provinces), nationwide=not house.provinces,
            email=f"{house.name.lower().replace(' ', '.').replace(chr(39), '').replace(',', '')}@partner.invalid",
            phone="012 000 000", languages=("km",),
            opening={"spans": [{"weekday": day, "opens": opens, "closes": closes} for day in range(house.days)]},
        ),
        centre_id=made.centre_id,
    )  # fmt: skip

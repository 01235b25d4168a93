# ruff: noqa: E501  # a cast list reads better a person a line
"""Who and what the demo helpline is made of. Every name, number and word here is invented."""

from dataclasses import dataclass

from helpline.agencies.vocabulary import AgencyKind, Service
from helpline.foundation.access.permissions import Role

CENTRE = ("DEMO", "Demo Helpline (invented data)", "KH", "0000")  # no line in Cambodia answers 0000

# Team → codes of the provinces it covers; the rest is the first team's.
TEAMS = {
    "Siem Reap team": ("17", "13", "22", "01", "24"),
    "Battambang team": ("02", "15", "04"),
    "Phnom Penh team": (),
}
PHNOM_PENH, SIEM_REAP, BATTAMBANG = "Phnom Penh team", "Siem Reap team", "Battambang team"


@dataclass(frozen=True, slots=True)
class Member:
    """A demo account: its login is also its address at demo.invalid."""

    login: str
    name: str
    role: Role
    teams: tuple[str, ...] = ()
    shown: bool = False  # one of each role stands in var/demo-accounts.txt


STAFF = (
    Member("operator", "Sok Dara", Role.OPERATOR, (PHNOM_PENH,), shown=True),
    Member("operator2", "Chan Sreymom", Role.OPERATOR, (PHNOM_PENH,)),
    Member("operator3", "Keo Rithy", Role.OPERATOR, (SIEM_REAP,)),
    Member("caseworker", "Lim Sophea", Role.CASEWORKER, (SIEM_REAP,), shown=True),
    Member("caseworker2", "Prak Vanna", Role.CASEWORKER, (BATTAMBANG,)),
    Member("caseworker3", "Nuon Kunthea", Role.CASEWORKER, (PHNOM_PENH,)),
    Member("caseworker4", "Heng Bora", Role.CASEWORKER, (PHNOM_PENH,)),
    Member("team-supervisor", "Ros Chenda", Role.TEAM_SUPERVISOR, (SIEM_REAP,), shown=True),
    Member("supervisor", "Mao Sokunthea", Role.SUPERVISOR, (), shown=True),
    Member("admin", "Tep Visal", Role.ADMIN, (), shown=True),
    Member("auditor", "Yim Sovann", Role.AUDITOR, (), shown=True),
)


@dataclass(frozen=True, slots=True)
class House:
    """A demo agency: the provinces it covers (none: everywhere), days of the week it opens and its hours."""

    name: str
    name_km: str
    kind: AgencyKind
    services: tuple[Service, ...]
    provinces: tuple[str, ...] = ()
    hours: tuple[str, str] = ("08:00", "17:00")
    days: int = 5
    capacity: int | None = None
    youngest: int | None = None
    oldest: int | None = None


_S, _K = Service, AgencyKind
AGENCIES = (
    House("Office of Social Affairs, Siem Reap", "មន្ទីរសង្គមកិច្ច សៀមរាប", _K.GOVERNMENT, (_S.CHILD_PROTECTION,), ("17",)),
    House("Office of Social Affairs, Battambang", "មន្ទីរសង្គមកិច្ច បាត់ដំបង", _K.GOVERNMENT, (_S.CHILD_PROTECTION,), ("02",)),
    House(
        "Office of Social Affairs, Phnom Penh", "មន្ទីរសង្គមកិច្ច ភ្នំពេញ", _K.GOVERNMENT, (_S.CHILD_PROTECTION,), ("12", "08")
    ),
    House("Child protection police", "នគរបាលការពារកុមារ", _K.POLICE, (_S.POLICE,), (), ("00:00", "00:00"), 7),
    House(
        "Women and children's police desk", "ប៉ុស្តិ៍នគរបាលស្ត្រី និងកុមារ", _K.POLICE, (_S.POLICE,), (), ("06:00", "22:00"), 7
    ),
    House("Village health network", "បណ្តាញសុខភាពភូមិ", _K.COMMUNITY, (_S.HEALTH,), (), ("07:00", "18:00"), 7),
    House("Committees for women and children", "គណៈកម្មាធិការនារី និងកុមារ", _K.GOVERNMENT, (_S.CHILD_PROTECTION,), ()),
    House("Quiet Hours, counselling by phone", "ម៉ោងស្ងប់", _K.NGO, (_S.MENTAL_HEALTH,), (), ("00:00", "00:00"), 7, 50),
    House("Circle of pro bono lawyers", "ក្រុមមេធាវីស្ម័គ្រចិត្ត", _K.LEGAL_AID, (_S.LEGAL,), (), ("09:00", "18:00"), 6, 10),
    House(
        "Children's clinic, Siem Reap",
        "គ្លីនិកកុមារ សៀមរាប",
        _K.HEALTH,
        (_S.HEALTH,),
        ("17", "13"),
        ("07:00", "19:00"),
        7,
        20,
        0,
        15,
    ),
    House(
        "Referral hospital, Battambang",
        "មន្ទីរពេទ្យបង្អែក បាត់ដំបង",
        _K.HEALTH,
        (_S.HEALTH, _S.MENTAL_HEALTH),
        ("02", "15"),
        ("00:00", "00:00"),
        7,
    ),
    House(
        "National paediatric hospital",
        "មន្ទីរពេទ្យកុមារជាតិ",
        _K.HEALTH,
        (_S.HEALTH,),
        (),
        ("00:00", "00:00"),
        7,
        None,
        0,
        17,
    ),
    House(
        "House of Lotus shelter",
        "ផ្ទះសុវត្ថិភាពផ្កាឈូក",
        _K.NGO,
        (_S.SHELTER,),
        ("17", "01", "02"),
        ("00:00", "00:00"),
        7,
        6,
        6,
        17,
    ),
    House(
        "River Street shelter",
        "ផ្ទះសុវត្ថិភាពមាត់ទន្លេ",
        _K.NGO,
        (_S.SHELTER,),
        ("12", "08", "03"),
        ("00:00", "00:00"),
        7,
        10,
    ),
    House("Listening Room counselling", "បន្ទប់ស្តាប់", _K.NGO, (_S.MENTAL_HEALTH,), (), ("09:00", "20:00"), 6, 30, 8, 25),
    House("Legal aid for children", "ជំនួយផ្នែកច្បាប់សម្រាប់កុមារ", _K.LEGAL_AID, (_S.LEGAL,), (), ("08:00", "17:00"), 5, 15),
    House("Back to School network", "បណ្តាញត្រឡប់ទៅសាលា", _K.SCHOOL, (_S.SCHOOL,), (), ("07:30", "16:30"), 6),
)

GIRLS = ("Srey Pich", "Sreyneang", "Chanthou", "Bopha", "Kolab", "Sophea", "Rachana", "Malis", "Devi", "Sreyleak")
BOYS = ("Vannak", "Dara", "Rithy", "Sokha", "Piseth", "Veasna", "Makara", "Kosal", "Samnang", "Borey")
# Reason → what the caller says, and which services the child may need.
STORIES = (
    ("violence.physical_violence", "Neighbour hears shouting most evenings; the child has bruises on the arms.", (_S.CHILD_PROTECTION, _S.HEALTH)),
    ("violence.sexual_violence", "The child told a teacher what happened at an uncle's house. Afraid to go home.", (_S.POLICE, _S.HEALTH)),
    ("violence.neglect", "Three children alone since Sunday, the oldest cooks. Grandmother is ill.", (_S.CHILD_PROTECTION,)),
    ("mental_health.suicidal_thoughts_and_attempts", "Says nothing matters any more; is with a friend now.", (_S.MENTAL_HEALTH,)),
    ("family_relationships.caregiver_relationship", "Parents argue every night; wants somebody to talk to them.", ()),
    ("education_and_occupation.teacher_and_school", "Was sent home because the fee is not paid.", (_S.SCHOOL,)),
    ("peer_relationships.friends", "A friend tells her secrets to the class.", ()),
    ("access_to_services.legal_services_and_advice", "Has no birth certificate and cannot enrol.", (_S.LEGAL,)),
    ("missing_children.runaway", "Left home after a beating, sleeps at the market.", (_S.SHELTER, _S.CHILD_PROTECTION)),
    ("physical_health.general_medical", "Asks where a check-up costs nothing.", ()),
    ("mental_health.fear_and_anxiety", "Cannot sleep before examinations.", ()),
    ("violence.child_early_forced_marriage", "The family wants her to marry after the harvest; she is 14.", (_S.CHILD_PROTECTION, _S.LEGAL)),
)  # fmt: skip

"""What is asked of the directory."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from helpline.agencies.vocabulary import AgencyKind, Service, Sex


@dataclass(frozen=True, slots=True)
class ServiceOffer:
    """One service with its limits: ages in years, both inclusive; no sexes: everybody; capacity: children at once."""

    service: Service
    min_age: int | None = None
    max_age: int | None = None
    sexes: tuple[Sex, ...] = ()
    capacity: int | None = None


@dataclass(frozen=True, slots=True)
class SaveAgency:
    """A whole entry of the directory, as it shall stand. `names`: language code to name.

    `opening`: `{"spans": [{"weekday": 0, "opens": "08:00", "closes": "17:00"}], "open_on_holidays": false}`; weekday 0
    is Monday, a span that closes no later than it opens ends the next day, equal times mean 24 hours.
    """

    agency_id: uuid.UUID
    names: Mapping[str, str]
    kind: AgencyKind
    services: tuple[ServiceOffer, ...]
    coverage: tuple[uuid.UUID, ...] = ()
    nationwide: bool = False
    email: str | None = None
    phone: str | None = None
    address: str | None = None
    languages: tuple[str, ...] = ()
    opening: Mapping[str, Any] = field(default_factory=dict)

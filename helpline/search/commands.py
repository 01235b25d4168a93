"""What somebody asks for."""

import uuid
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SearchFor:
    """Words as typed: a name, a number or a case. `search_id` is the form's: typing on is the same search."""

    search_id: uuid.UUID
    text: str = field(repr=False)
    age: int | None = None
    gender: str | None = None
    province_id: uuid.UUID | None = None

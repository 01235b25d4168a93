"""What the index keeps of each person, in columns: some 50 bytes a person, and of the name its number alone."""

import uuid
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from helpline.search.vocabulary import IndexedPerson, NameQuery

_NOBODY = -1
_YEARS_NEAR = 2  # an age is told as about
_SAME_AGE, _YEAR_APART, _OTHER_AGE = 0.12, 0.01, -0.15
_SAME_PROVINCE, _OTHER_PROVINCE = 0.12, -0.12
_OTHER_GENDER = -0.15
_GENDERS = {"female": 1, "male": 2, "other": 3}
_COLUMNS = {
    "low": np.uint64, "high": np.uint64, "stamp": np.int64, "born": np.int16, "gender": np.int8, "province": np.int32,
    "centre": np.int32, "team": np.int32, "adder": np.int32, "name": np.int32,
}  # fmt: skip
_HALF = (1 << 64) - 1

Rows = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float32]


class _Ids:
    """Ids of few things (centres, teams, places, staff), numbered from 1; 0 is none."""

    def __init__(self) -> None:
        self._numbers: dict[uuid.UUID, int] = {}

    def add(self, wanted: uuid.UUID | None) -> int:
        return 0 if wanted is None else self._numbers.setdefault(wanted, len(self._numbers) + 1)

    def find(self, wanted: uuid.UUID) -> int:
        """Its number, or one that nobody has."""
        return self._numbers.get(wanted, _NOBODY)


class People:
    """Rows are added and emptied, never moved: `rows` counts them all, `len()` the people in them."""

    def __init__(self) -> None:
        self.rows = 0
        self._columns = {name: np.zeros(1024, kind) for name, kind in _COLUMNS.items()}
        self._few = _Ids()
        self._gone = 0

    def __len__(self) -> int:
        return self.rows - self._gone

    def stamps(self, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, int]:
        """Of those who are known, the stamp they are known by."""
        rows = self._rows_of(ids)
        return dict(zip(self.ids(rows), self._columns["stamp"][rows].tolist(), strict=True))

    def add(self, person: IndexedPerson, name: int) -> None:
        """A row of their own, whose name has this number."""
        row, self.rows = self.rows, self.rows + 1
        if row == len(self._columns["name"]):
            self._grow()
        values = {
            "low": person.id.int & _HALF, "high": person.id.int >> 64, "stamp": person.stamp,
            "born": person.born or 0, "gender": _GENDERS.get(person.gender or "", 0),
            "province": self._few.add(person.province_id), "centre": self._few.add(person.centre_id),
            "team": self._few.add(person.team_id), "adder": self._few.add(person.added_by), "name": name,
        }  # fmt: skip
        for column, value in values.items():
            self._columns[column][row] = value

    def drop(self, ids: Sequence[uuid.UUID]) -> None:
        """Empty their rows."""
        rows = self._rows_of(ids)
        self._gone += len(rows)
        for column in self._columns.values():
            column[rows] = 0
        self._columns["name"][rows] = _NOBODY

    def ids(self, rows: Rows) -> list[uuid.UUID]:
        high, low = self._columns["high"][rows].tolist(), self._columns["low"][rows].tolist()
        return [uuid.UUID(int=(left << 64) | right) for left, right in zip(high, low, strict=True)]

    def bearing(self, names: npt.NDArray[np.bool_]) -> Rows:
        """The rows of those whose name is marked; `names` has one place more, unmarked, for rows without anybody."""
        return np.flatnonzero(names[self._columns["name"][: self.rows]])

    def names(self, rows: Rows) -> npt.NDArray[np.int32]:
        """The number of each one's name."""
        found: npt.NDArray[np.int32] = self._columns["name"][rows]
        return found

    def within(self, rows: Rows, query: NameQuery) -> Rows:
        """Those of them whom the asking actor may meet."""
        rows = rows[self._columns["centre"][rows] == self._few.find(query.centre_id)]
        reach = query.reach
        if reach is None:
            return rows
        met = np.isin(self._columns["team"][rows], [self._few.find(team) for team in reach.team_ids])
        if reach.added_by is not None:
            met |= self._columns["adder"][rows] == self._few.find(reach.added_by)
        if reach.person_ids:
            met |= np.isin(rows, self._rows_of(reach.person_ids))
        return rows[met]

    def facts(self, rows: Rows, query: NameQuery) -> Floats:
        """What known facts add to, or take from, a likeness of names; what is not known of somebody does neither."""
        found = np.zeros(len(rows), np.float32)
        if query.born is not None:
            born = self._columns["born"][rows]
            apart = np.abs(born - np.int16(query.born))
            near = np.where(apart <= _YEARS_NEAR, _SAME_AGE - _YEAR_APART * apart, _OTHER_AGE)
            found += np.where(born == 0, 0, near).astype(np.float32)
        if query.province_id is not None:
            province = self._columns["province"][rows]
            same = np.where(province == self._few.find(query.province_id), _SAME_PROVINCE, _OTHER_PROVINCE)
            found += np.where(province == 0, 0, same).astype(np.float32)
        if query.gender in _GENDERS:
            gender = self._columns["gender"][rows]
            found += np.where((gender == 0) | (gender == _GENDERS[query.gender]), 0, _OTHER_GENDER).astype(np.float32)
        return found

    def _rows_of(self, ids: Sequence[uuid.UUID]) -> Rows:
        low = self._columns["low"][: self.rows]
        wanted = np.array([each.int & _HALF for each in ids], np.uint64)
        rows: Rows = np.flatnonzero(np.isin(low, wanted))
        if not len(rows):
            return rows
        asked = set(ids)
        same: Rows = rows[np.array([each in asked for each in self.ids(rows)])]
        return same

    def _grow(self) -> None:
        self._columns = {
            name: np.concatenate([column, np.zeros_like(column)]) for name, column in self._columns.items()
        }

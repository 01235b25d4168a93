"""What every reader of a table gives back: headers, and rows as they stream by."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple, Self

GIB = 2**30
MAX_HEADER_ROW = 1_000


class Row(NamedTuple):
    """One record. `line` is the physical line (or sheet row) where it starts, from 1; every header has a cell."""

    line: int
    cells: dict[str, str]


class Rejected(NamedTuple):
    """A record that could not be taken, with the reason as a code; `value` is what stood there."""

    line: int
    reason: str
    column: str = ""
    value: str = ""


class Note(NamedTuple):
    """A repair on reading that the user should see: `header_empty`, `header_repeated`, `nul_removed` (`times`)."""

    code: str
    column: str = ""
    times: int = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may cost. Sizes in bytes; `max_broken` is how many unreadable records end the reading.

    `max_part`: any part of a workbook but its sheets and shared strings, since it is read whole.
    """

    max_bytes: int = GIB
    max_uncompressed: int = GIB
    max_shared_strings: int = 128 * 2**20
    max_part: int = 8 * 2**20
    max_cells: int = 200_000_000
    max_columns: int = 2_000
    max_broken: int = 1_000


@dataclass(frozen=True, slots=True)
class Options:
    """What the user knows better than detection. `header_row` counts records from 1; those before it are skipped."""

    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    header_row: int = 1
    limits: Limits = field(default_factory=Limits)


def spelled_delimiter(text: str | None) -> str | None:
    """What a person types for a delimiter: a tab is hard to type."""
    return "\t" if text is not None and text.casefold() in {"tab", "\\t"} else text


@dataclass(slots=True)
class Table:
    """An open table. `rows` streams once; use as a context manager, or call `close`, to release the file."""

    headers: list[str]
    rows: Iterator[Row | Rejected]
    encoding: str
    delimiter: str | None = None
    sheet: str | None = None
    sheets: tuple[str, ...] = ()
    notes: list[Note] = field(default_factory=list)
    close: Callable[[], None] = lambda: None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def unique_headers(raw: Sequence[str]) -> tuple[list[str], list[Note]]:
    """Trimmed headers, each named and none twice, with a note for every one that had to be changed."""
    named = [name.strip().strip("\ufeff") or f"column_{number}" for number, name in enumerate(raw, start=1)]
    notes = [
        Note("header_empty", name) for name, was in zip(named, raw, strict=True) if not was.strip().strip("\ufeff")
    ]
    headers: list[str] = []
    taken, seen = set(named), Counter[str]()
    for name in named:
        seen[name] += 1
        unique, number = name, seen[name]
        while number > 1 and unique in taken:
            unique, number = f"{name}_{number}", number + 1
        if unique != name:
            notes.append(Note("header_repeated", unique))
            taken.add(unique)
        headers.append(unique)
    return headers, notes

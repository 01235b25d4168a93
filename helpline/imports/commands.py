"""What goes in."""

import uuid
from dataclasses import dataclass, field
from typing import IO, Any

from helpline.foundation.tabular.table import Options
from helpline.imports.vocabulary import ImportState


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to import into a centre. The form minted `import_id`: posting twice makes one import.

    `by_command`: its process does all the steps itself, and takes the import with it when it dies.
    """

    import_id: uuid.UUID
    centre_id: uuid.UUID
    file_name: str = field(repr=False)
    stream: IO[bytes] = field(repr=False)
    options: Options = field(default_factory=Options)
    by_command: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """An import that a process has taken: `lease` is its token, by which it must be known at every write."""

    import_id: uuid.UUID
    state: ImportState
    lease: uuid.UUID


@dataclass(frozen=True, slots=True)
class Mapped:
    """Which mapping an import uses: a document, of its own or copied from a named one."""

    import_id: uuid.UUID
    version: int
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ImportFile:
    """A whole import in one go, from the command line, for the user of this login."""

    centre_code: str
    login: str
    file_name: str
    stream: IO[bytes] = field(repr=False)
    mapping_name: str | None = None
    dry_run: bool = False
    options: Options = field(default_factory=Options)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file. `unknown` holds the most frequent values, `unknown_more` how many others there are."""

    rows: int
    added: int
    known: int
    repeated: int
    rejected: int
    unknown: tuple[tuple[str, str, int], ...]
    unknown_more: int
    error_code: str | None

    def sentences(self) -> list[str]:
        """The outcome in words, for a terminal."""
        if self.error_code:
            return [f"It could not be imported: {self.error_code.replace('_', ' ')}. Nothing was left behind."]
        said = [
            f"{self.rows} rows read: {self.added} calls added, {self.known} here already, {self.rejected} rejected.",
            f"{self.repeated} rows repeat an earlier one exactly; they are calls all the same.",
        ]
        said += [
            f"Not understood, kept as written: {column} = {value!r}, {n} times" for column, value, n in self.unknown
        ]
        if self.unknown_more:
            said.append(f"And {self.unknown_more} other values, less often: --unknown FILE writes them all.")
        return said

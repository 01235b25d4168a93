"""Reading CSV and its cousins: any encoding, delimiter and line ending, one record at a time."""

import csv
import io
import re
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

from helpline.foundation.errors import Invalid
from helpline.foundation.tabular.encoding import detect
from helpline.foundation.tabular.table import Note, Options, Rejected, Row, Table, unique_headers

DELIMITERS = (",", ";", "\t", "|")
_SAMPLE = 64 * 1024
LONGEST_CELL = 2**20  # characters: a long narrative fits many times, an unclosed quote does not swallow the file
csv.field_size_limit(LONGEST_CELL)
_SEP_LINE = re.compile(r"sep=(.)\r?\n?")  # Excel's own hint, on a line before the header


class _Lines:
    """Physical lines, remembering those of the record being read, so that a broken one costs itself and no more."""

    def __init__(self, text: io.TextIOBase) -> None:
        self._text = text
        self._again: deque[str] = deque()
        self.record: list[str] = []

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._text)
        self.record.append(line)
        return line if "\0" not in line else line.replace("\0", "")

    def keep_only_first(self) -> str:
        """Give up on the first line of the record; the others are read again."""
        self._again.extendleft(reversed(self.record[1:]))
        del self.record[1:]
        return self.record[0]


def open_delimited(source: BinaryIO, options: Options) -> Table:
    """A table from text. Raises Invalid: what `detect` raises, `file_empty`, `delimiter_unknown`, `too_many_columns`.

    The stream stays its owner's: closing the table lets go of it without closing it.
    """
    shape = detect(source, override=options.encoding)
    text = io.TextIOWrapper(source, encoding=shape.encoding, errors="strict", newline="")
    try:
        records, delimiter = _start(text, options)
        headers, notes = _read_headers(records, options)
    except Invalid:
        text.detach()
        raise
    if shape.nuls:
        notes.append(Note("nul_removed", times=shape.nuls))

    def close() -> None:
        with suppress(ValueError):  # already let go
            text.detach()

    return Table(headers, _rows(records, headers), shape.encoding, delimiter, notes=notes, close=close)


def _start(text: io.TextIOWrapper, options: Options) -> tuple[Iterator[tuple[int, list[str] | str]], str]:
    sample = text.read(_SAMPLE)
    text.seek(0)
    lines, line, delimiter = _Lines(text), 1, options.delimiter
    if hint := _SEP_LINE.match(sample):
        next(lines)
        line, delimiter, sample = 2, delimiter or hint[1], sample[hint.end() :]
    delimiter = delimiter or sniff_delimiter(sample.replace("\0", ""))
    if len(delimiter) != 1 or delimiter in '"\r\n\0':
        raise Invalid("delimiter_unknown", field="delimiter")
    return _records(lines, delimiter, line, options.limits.max_broken), delimiter


def sniff_delimiter(sample: str) -> str:
    """The delimiter that cuts the sample's records into equally many cells, more than one; a comma when none does."""

    def fit(delimiter: str) -> tuple[float, int]:
        lines = list(io.StringIO(sample, newline=""))
        whole = lines[:-1] if len(sample) >= _SAMPLE else lines
        widths = Counter(len(record) for record in csv.reader(whole, delimiter=delimiter) if record)
        width, count = widths.most_common(1)[0] if widths else (1, 0)
        return (count / widths.total(), width) if width > 1 else (0, 0)

    best = max(DELIMITERS, key=fit)
    return best if fit(best) > (0, 0) else ","


def _records(lines: _Lines, delimiter: str, line: int, max_broken: int) -> Iterator[tuple[int, list[str] | str]]:
    """(line where it starts, cells), or (line, raw text) for a record whose quotes do not close or that is too long."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    broken = 0
    while True:
        lines.record.clear()
        try:
            cells: list[str] | str = next(reader)
        except StopIteration:
            return
        except csv.Error:
            broken += 1
            if broken > max_broken:
                raise Invalid("too_many_broken_rows", field="file", line=line) from None
            cells = lines.keep_only_first().strip("\r\n")
        if cells:
            yield line, cells
        line += len(lines.record)


def _read_headers(records: Iterator[tuple[int, list[str] | str]], options: Options) -> tuple[list[str], list[Note]]:
    for number, (line, cells) in enumerate(records, start=1):
        if number < options.header_row:
            continue
        if isinstance(cells, str):
            raise Invalid("header_unreadable", field="file", line=line)
        if len(cells) > options.limits.max_columns:
            raise Invalid("too_many_columns", field="file", columns=len(cells))
        return unique_headers(cells)
    raise Invalid("file_empty", field="file")


def _rows(records: Iterator[tuple[int, list[str] | str]], headers: list[str]) -> Iterator[Row | Rejected]:
    width = len(headers)
    for line, cells in records:
        if isinstance(cells, str):
            yield Rejected(line, "cell_too_long" if len(cells) > LONGEST_CELL else "broken_quotes", value=cells)
        elif not any(cells):
            yield Rejected(line, "row_empty")
        elif len(cells) == width or (len(cells) > width and not any(cells[width:])):
            yield Row(line, dict(zip(headers, cells, strict=False)))
        else:
            yield Rejected(line, "too_few_cells" if len(cells) < width else "too_many_cells", value=_shown(cells))


def _shown(cells: list[str]) -> str:
    """The record as one comma-separated text, for the reject report."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(cells)
    return out.getvalue()

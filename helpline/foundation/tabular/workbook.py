"""Reading XLSX row by row, as values in one canonical spelling, without trusting what the archive says of itself."""

import warnings
import zipfile
import zlib
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any, BinaryIO
from xml.etree.ElementTree import fromstring

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from helpline.foundation.errors import Invalid
from helpline.foundation.tabular.table import Limits, Note, Options, Rejected, Row, Table, unique_headers

_MAX_MEMBERS = 10_000
_LARGE = ("xl/worksheets/", "xl/sharedStrings.xml")  # streamed, and bounded by itself
_TYPES = "[Content_Types].xml"
_SMALL, _MAX_RATIO = 16 * 2**20, 200
_UNREADABLE = (
    InvalidFileException,
    zipfile.BadZipFile,
    zlib.error,
    SyntaxError,  # of XML, whichever parser openpyxl finds
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,  # an encrypted or oddly compressed member
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


def open_workbook(source: BinaryIO, options: Options) -> Table:
    """A table from one sheet: the one named in the options, else the first. Formulas give the value last computed.

    Raises Invalid: `file_not_a_table`, `workbook_too_large`, `workbook_unreadable`, `sheet_unknown`, `file_empty`,
    `too_many_columns`; while reading `workbook_too_large` and `workbook_unreadable` too.
    """
    _check_archive(source, options.limits)
    source.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl warns of styles and validations that it drops: no concern here
            book = openpyxl.load_workbook(source, read_only=True, data_only=True, keep_links=False)
    except _UNREADABLE:
        raise Invalid("workbook_unreadable", field="file") from None
    names = tuple(sheet.title for sheet in book.worksheets)
    if not names or (options.sheet is not None and options.sheet not in names):
        book.close()
        raise Invalid("sheet_unknown", field="sheet", sheets=len(names))
    sheet = options.sheet or names[0]
    records = _records(book[sheet], options.limits)
    headers, notes = _read_headers(records, options)
    return Table(headers, _rows(records, headers), "xlsx", None, sheet, names, notes, book.close)


def _check_archive(source: BinaryIO, limits: Limits) -> None:
    """Refuse by the declared sizes before anything is unpacked; zipfile never unpacks more than is declared."""
    source.seek(0)
    try:
        with zipfile.ZipFile(source) as archive:
            members = archive.infolist()
            if not any(member.filename == "xl/workbook.xml" for member in members):
                raise Invalid("file_not_a_table", field="file")
            small = [member for member in members if not member.filename.startswith(_LARGE)]
            total = sum(member.file_size for member in members)
            too_large = len(members) > _MAX_MEMBERS or total > limits.max_uncompressed
            if too_large or max(member.file_size for member in small) > limits.max_part or any(map(_is_bomb, members)):
                raise Invalid("workbook_too_large", field="file", bytes=total)
            texts = _shared_strings(archive)
    except _UNREADABLE:
        raise Invalid("workbook_unreadable", field="file") from None
    strings = sum(member.file_size for member in members if member.filename.lower() in texts)
    if strings > limits.max_shared_strings:
        raise Invalid("workbook_too_large", field="file", bytes=strings)


def _is_bomb(member: zipfile.ZipInfo) -> bool:
    """Much out of next to nothing: a real sheet, however repetitive, stays far below."""
    return member.file_size > _SMALL and member.file_size > member.compress_size * _MAX_RATIO


def _shared_strings(archive: zipfile.ZipFile) -> set[str]:
    """The parts that will be read whole as shared strings, whatever they are called."""
    if _TYPES not in archive.namelist():
        raise Invalid("workbook_unreadable", field="file")
    types = fromstring(archive.read(_TYPES))  # noqa: S314 - small by now, and expat bounds what entities may grow to
    named = {str(part.get("PartName")) for part in types if "sharedStrings" in str(part.get("ContentType"))}
    return {name.lower().lstrip("/") for name in named} | {"xl/sharedstrings.xml"}


def _records(sheet: Any, limits: Limits) -> Iterator[tuple[int, list[str]]]:
    """(sheet row, texts without trailing empty cells) of every row that holds something."""
    sheet.reset_dimensions()  # a declared size may be a lie, and pads every row to it
    cells = 0
    try:
        for number, row in enumerate(sheet.rows, start=1):
            cells += len(row) or 1
            if cells > limits.max_cells:
                raise Invalid("workbook_too_large", field="file", cells=cells)
            texts = [_text(cell) for cell in row]
            while texts and not texts[-1]:
                texts.pop()
            if texts:
                yield number, texts
    except _UNREADABLE:
        raise Invalid("workbook_unreadable", field="file") from None


def _read_headers(records: Iterator[tuple[int, list[str]]], options: Options) -> tuple[list[str], list[Note]]:
    for number, (_line, texts) in enumerate(records, start=1):
        if number == options.header_row:
            if len(texts) > options.limits.max_columns:
                raise Invalid("too_many_columns", field="file", columns=len(texts))
            return unique_headers(texts)
    raise Invalid("file_empty", field="file")


def _rows(records: Iterator[tuple[int, list[str]]], headers: list[str]) -> Iterator[Row | Rejected]:
    width = len(headers)
    for line, texts in records:
        if len(texts) > width:
            yield Rejected(line, "too_many_cells", value=" | ".join(texts))
        else:
            yield Row(line, dict(zip(headers, texts + [""] * (width - len(texts)), strict=True)))


def _text(cell: Any) -> str:
    """A cell in one spelling: ISO dates, plain digits, `true` and `false`; whatever the sheet's display format."""
    match cell.value:
        case None:
            text = ""
        case str(value):
            text = value.replace("\0", "")
        case bool(value):
            text = str(value).lower()
        case float(value):
            text = str(int(value)) if value.is_integer() else format(value, ".15g")
        case datetime() as value:
            exact = (value + timedelta(milliseconds=500)).replace(microsecond=0)  # a float of days is never exact
            whole_day = exact.time() == time() and "h" not in str(cell.number_format).lower()
            text = exact.date().isoformat() if whole_day else exact.isoformat(sep=" ")
        case value:  # int, date, time and timedelta spell themselves so
            text = str(value)
    return text

"""The door to any old table: what kind of file it is, by its content and never by its name."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

from helpline.foundation.errors import Invalid
from helpline.foundation.tabular.delimited import open_delimited
from helpline.foundation.tabular.table import Options, Table
from helpline.foundation.tabular.workbook import open_workbook

_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_NOT_TABLES = (b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"\x1f\x8b", b"Rar!", b"7z\xbc\xaf", b"{\\rtf")
_SPOOL = 8 * 2**20
_CHUNK = 2**20


def open_table(source: Path | str | BinaryIO, *, name: str, options: Options | None = None) -> Table:
    """Open a CSV (any usual encoding and delimiter) or XLSX file, streaming its rows in constant memory.

    `source` is a path or a binary stream (kept open; one that cannot seek is copied to a temporary file). `name` is
    what its user calls it, for errors. `table.rows` gives Row, or Rejected for a record that cannot be read, so that
    none is dropped. Raises Invalid with a code: `file_empty`, `file_too_large`, `file_not_a_table`,
    `xls_not_supported`, `workbook_encrypted`, and those of `open_delimited` and `open_workbook`.
    """
    options = options or Options()
    owned = isinstance(source, Path | str)
    stream: BinaryIO = Path(source).open("rb") if isinstance(source, Path | str) else source  # noqa: SIM115
    try:
        if not stream.seekable():
            stream, owned = _spooled(stream, options.limits.max_bytes), True
        table = _open(stream, options)
    except Invalid as error:
        if owned:
            stream.close()
        error.details.setdefault("name", name)
        raise
    if owned:
        table.close = _both(table, stream)
    return table


def _open(stream: BinaryIO, options: Options) -> Table:
    size = stream.seek(0, 2)
    if size > options.limits.max_bytes:
        raise Invalid("file_too_large", field="file", bytes=size, limit=options.limits.max_bytes)
    stream.seek(0)
    head = stream.read(_SPOOL if size < _SPOOL else 4096)
    if head.startswith(_OLE):
        raise Invalid("workbook_encrypted" if _ENCRYPTED in head else "xls_not_supported", field="file")
    if head.startswith(_NOT_TABLES):
        raise Invalid("file_not_a_table", field="file")
    if not head.strip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"):
        if size <= len(head):
            raise Invalid("file_empty", field="file")
    elif head.startswith(b"PK\x03\x04"):
        return open_workbook(stream, options)
    return open_delimited(stream, options)


def _spooled(stream: BinaryIO, limit: int) -> BinaryIO:
    """A seekable copy, cut one byte past the limit so that the size check sees it."""
    copy = tempfile.SpooledTemporaryFile(max_size=_SPOOL)  # noqa: SIM115 - the table closes it
    left = limit + 1
    while left and (chunk := stream.read(min(left, _CHUNK))):
        copy.write(chunk)
        left -= len(chunk)
    return cast("BinaryIO", copy)


def _both(table: Table, stream: BinaryIO) -> Callable[[], None]:
    inner = table.close

    def close() -> None:
        inner()
        stream.close()

    return close

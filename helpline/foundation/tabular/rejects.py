"""The report of rows that were not taken, as a CSV that is safe to open in a spreadsheet."""

import csv
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from helpline.foundation.tabular.table import Rejected

HEADERS = ("line", "reason", "column", "value")
UNKNOWN_HEADERS = ("column", "value", "times")
# OWASP, CSV injection: what a spreadsheet would run as a formula, the full-width forms included.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def safe_cell(text: str) -> str:
    """The text, with an apostrophe before what a spreadsheet would take for a formula."""
    return f"'{text}" if text.lstrip(" \xa0").startswith(_FORMULA) else text


def write_rejects(out: TextIO, rejects: Iterable[Rejected]) -> int:
    """Write the report with its header and give the number of rejects. Open `out` as utf-8-sig with newline=''."""
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(HEADERS)
    count = 0
    for reject in rejects:
        writer.writerow([reject.line, *map(safe_cell, reject[1:])])
        count += 1
    return count


def write_unknown(out: TextIO, found: Iterable[Sequence[Any]]) -> int:
    """Write values that were not understood (column, value, times), as safe as the rejects; give their number."""
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(UNKNOWN_HEADERS)
    count = 0
    for column, value, times in found:
        writer.writerow([safe_cell(column), safe_cell(value), times])
        count += 1
    return count

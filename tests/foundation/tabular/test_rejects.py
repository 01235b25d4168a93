"""The reject report can be opened in a spreadsheet without running what stood in the log."""

import csv
import io

import pytest

from helpline.foundation.tabular.rejects import safe_cell, write_rejects
from helpline.foundation.tabular.table import Rejected


def test_each_reject_stands_in_the_report():
    out = io.StringIO(newline="")
    rejects = [Rejected(2, "too_few_cells", value='a, "b"\nc'), Rejected(7, "datetime_unreadable", "=día", "ayer")]
    assert write_rejects(out, iter(rejects)) == 2
    assert list(csv.reader(io.StringIO(out.getvalue(), newline=""))) == [
        ["line", "reason", "column", "value"],
        ["2", "too_few_cells", "", 'a, "b"\nc'],
        ["7", "datetime_unreadable", "'=día", "ayer"],
    ]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", " =1", "＝1", "\xa0=1"])
def test_what_a_spreadsheet_would_run_is_disarmed(text):
    assert safe_cell(text) == "'" + text


@pytest.mark.parametrize("text", ["", "12", "a=b", "Córdoba", "'=1"])
def test_other_text_is_left_alone(text):
    assert safe_cell(text) == text

"""The sheet of ASVS 5.0.0, levels 1 and 2: every requirement once, what is called met shown by something that is there."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from helpline.settings import ROOT

SHEET = (ROOT / "docs" / "asvs.md").read_text(encoding="utf-8")
LEVELS = dict(line.split() for line in (Path(__file__).parent / "asvs_5_0_0.txt").read_text().splitlines())
ROWS = [
    [cell.strip() for cell in line.strip().strip("|").split("|")]
    for line in SHEET.splitlines()
    if re.match(r"\| \d+\.\d+\.\d+ \|", line)
]
STATES = ("met", "open", "not applicable")
NAMED = re.compile(r"`([\w./-]+?)(?:::(\w+))?`")


def is_file(name):
    """Whether it is meant for one of ours: an address isn't, nor a command, nor a kind of file."""
    return name.startswith(("tests/", "helpline/", "docs/")) or name in {"Dockerfile", "requirements.txt"}


def functions_of(path):
    return {node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)}


def test_the_list_is_the_standards():
    """Version 5.0.0 has 70 requirements of level 1 and 183 of level 2."""
    assert Counter(LEVELS.values()) == {"1": 70, "2": 183}


def test_each_requirement_stands_once_with_its_level():
    assert [number for number, times in Counter(row[0] for row in ROWS).items() if times > 1] == []
    assert {row[0]: row[1] for row in ROWS} == LEVELS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_is_judged_and_what_is_met_is_shown(row):
    number, _level, asks, state, why = row
    assert state in STATES
    assert asks
    assert len(why) > 2, "not applicable and open say why"
    files = [(ROOT / name, function) for name, function in NAMED.findall(why) if is_file(name)]
    for path, function in files:
        assert path.exists(), f"{number}: {path}"
        assert not function or function in functions_of(path), f"{number}: {function}"
    assert state != "met" or files, f"{number} is met: by which test or file?"


def test_the_counts_are_those_of_the_sheet():
    counted = Counter((row[1], row[3]) for row in ROWS)
    told = re.findall(r"^\| (level 1|level 2|both) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", SHEET, re.MULTILINE)
    assert len(told) == 3
    for name, *numbers in told:
        levels = {"level 1": "1", "level 2": "2", "both": "12"}[name]
        found = [sum(counted[level, state] for level in levels) for state in STATES]
        assert [int(number) for number in numbers] == [*found, sum(found)], name

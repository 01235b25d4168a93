"""The index of attacks beside this: every item of the issue is in it, and every test it names is there."""

import re
from pathlib import Path

import pytest

from helpline.settings import ROOT
from tests.architecture.test_asvs import functions_of

INDEX = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
THREATS = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
ITEMS = {
    "CSRF", "clickjacking", "strict CSP without inline script", "open redirect", "header injection", "log injection",
    "formula injection in exports", "path and type tricks in uploads", "zip bombs", "oversized and deeply nested JSON",
    "mass assignment", "ids of another case under a URL of mine", "races between two approvals", "replayed links",
    "session fixation", "user enumeration by message", "user enumeration by time",
    "out of scope answers as not existing, in what it costs too",
}  # fmt: skip
TESTS = re.compile(r"\b(tests/[\w/]+\.py)(?:::(\w+))?")


def test_every_item_is_in_the_index():
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", INDEX, re.MULTILINE)
    named = {item: TESTS.findall(tests) for item, tests in rows if TESTS.search(tests)}
    assert set(named) == ITEMS


def test_every_module_of_attacks_is_in_the_index():
    modules = {f"tests/attacks/{path.name}" for path in Path(__file__).parent.glob("test_*.py")}
    assert modules - {path for path, _ in TESTS.findall(INDEX)} == {"tests/attacks/test_index.py"}


@pytest.mark.parametrize("text", [INDEX, THREATS], ids=["index", "threat model"])
def test_every_test_that_is_named_is_there(text):
    found = TESTS.findall(text)
    assert len(found) > 20
    for path, function in found:
        assert (ROOT / path).is_file(), path
        assert not function or function in functions_of(ROOT / path), f"{path}::{function}"


def test_every_defence_in_the_threat_model_names_its_test():
    table = THREATS.partition("## Defended today")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    assert len(rows) > 30
    assert [row for row in rows if not TESTS.search(row.rpartition(" | ")[2])] == []

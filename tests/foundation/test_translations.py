"""Every text of code and templates stands in the Khmer catalogue, translated; English is the source and needs none."""

import ast
import re
from pathlib import Path

import pytest
from babel.messages.frontend import CommandLineInterface
from babel.messages.pofile import read_po
from jinja2 import Environment

from helpline.settings import ROOT

TEXTS = ROOT / "helpline" / "translations"
EXTRACTED = ("-k", "lazy_gettext", "-k", "_l")
KEYWORDS = {"_", "_l", "gettext", "ngettext", "lazy_gettext"}
SAME_IN_BOTH = {"0–5", "6–9", "10–12", "13–15", "16–17", "18–25"}
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|\{\w+\}")
KHMER = re.compile("[\u1780-\u17b3]")
UNBROKEN = re.compile("[\u1780-\u17d3\u17dd]+")
MARKUP = re.compile(r"<[^>]*>|&\w+;|[\w-]+=\"[^\"]*\"")
CLASSES = re.compile(r"\{% block \w+_class %\}[^{]*\{% endblock %\}")
UNITS_AND_KEYS = re.compile(r"\b(Esc|Ctrl|Enter|kB)\b")
SOURCES = sorted([*(ROOT / "helpline").rglob("*.py"), *(ROOT / "workers").rglob("*.py")])
TEMPLATES = sorted(path for path in (ROOT / "helpline").rglob("templates/**/*") if path.suffix in {".html", ".txt"})


def read(path: Path, locale: str | None = None) -> dict[str | tuple[str, ...], object]:
    with path.open("rb") as file:
        catalogue = read_po(file, locale=locale, abort_invalid=True)
    return {tuple(m.id) if m.pluralizable else m.id: m for m in catalogue if m.id}


def forms(text: str | tuple[str, ...]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


@pytest.fixture(scope="module")
def khmer():
    return read(TEXTS / "km" / "LC_MESSAGES" / "messages.po", "km")


def test_the_catalogue_holds_exactly_the_texts_of_code_and_templates(khmer, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    texts = tmp_path / "messages.pot"
    CommandLineInterface().run(
        [
            "pybabel",
            "-q",
            "extract",
            "-F",
            str(TEXTS / "babel.cfg"),
            *EXTRACTED,
            "-o",
            str(texts),
            "helpline",
            "workers",
        ]
    )
    found = read(texts).keys()
    assert {"missing": found - khmer.keys(), "left over": khmer.keys() - found} == {
        "missing": set(),
        "left over": set(),
    }, "make translations, then translate what is new"


def test_nothing_is_fuzzy_empty_or_copied_from_english(khmer):
    wrong = {
        text: message.string
        for text, message in khmer.items()
        if message.fuzzy
        or (text not in SAME_IN_BOTH and not all(said and KHMER.search(said) for said in forms(message.string)))
    }
    assert not wrong


def test_placeholders_are_those_of_the_source(khmer):
    wrong = {
        text: message.string
        for text, message in khmer.items()
        for said in forms(message.string)
        if sorted(PLACEHOLDER.findall(said)) != sorted(PLACEHOLDER.findall(forms(text)[-1]))
    }
    assert not wrong


def test_long_sentences_can_break(khmer):
    """Khmer is written without spaces: browsers break it at zero-width ones."""
    long = {
        said: max(UNBROKEN.findall(said), key=len, default="")
        for message in khmer.values()
        for said in forms(message.string)
        if len(said) > 25
    }
    assert not {said: run for said, run in long.items() if len(run) > 24}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_gettext_goes_by_names_that_the_extraction_knows(path):
    names = {
        alias.asname or alias.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "flask_babel"
        for alias in node.names
        if "gettext" in alias.name
    }
    assert names <= KEYWORDS


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_templates_hold_no_bare_words(path):
    data = "".join(text for _, kind, text in Environment().lex(CLASSES.sub("", path.read_text())) if kind == "data")
    bare = UNITS_AND_KEYS.sub("", MARKUP.sub(" ", data))
    assert not re.findall(r"[A-Za-z\u1780-\u17b3]{2,}", bare)

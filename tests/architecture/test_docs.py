"""What the documents name is there: files, commands, targets of make, settings, tests."""

import re
from dataclasses import fields
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import werkzeug.exceptions

from helpline.cli import main
from helpline.settings import ROOT, Settings

DOCS = ROOT / "docs"
DOCUMENTS = sorted(chain(ROOT.glob("*.md"), DOCS.rglob("*.md"), (ROOT / "helpline").rglob("*.md")))
TEXTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in DOCUMENTS}
EVERY = "\n".join(TEXTS.values())
SETTINGS = {option.metadata["env"] for option in fields(Settings) if option.metadata}
OURS = (
    "HELPLINE_",
    "DATABASE_",
    "REDIS_",
    "SMTP_",
    "SESSION_",
    "MAIL_",
    "LOG_",
    "UPLOAD_",
    "WEB_",
    "TRUSTED_",
    "SECURE_",
)


def code_of(text: str) -> str:
    """What a reader would type: fenced and indented blocks, and what stands between backticks."""
    fenced = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    indented = re.findall(r"^ {4,}(\S.*)$", text, re.MULTILINE)
    return "\n".join([*fenced, *indented, *re.findall(r"`([^`\n]+)`", text)])


CODE = "\n".join(map(code_of, TEXTS.values()))


def anchors_of(path: Path) -> set[str]:
    """Headings as GitHub names them."""
    heads = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_somewhere(name):
    for link in re.findall(r"\]\(([^)\s]+)\)", TEXTS[name]):
        target, _, anchor = link.partition("#")
        if urlsplit(link).scheme:
            continue
        path = (ROOT / name).parent / target if target else ROOT / name
        assert path.exists(), f"{name} leads to {link}"
        assert not anchor or anchor in anchors_of(path), f"{name} leads to {link}"


def test_every_document_is_in_the_index():
    index = TEXTS["docs/README.md"]
    for path in DOCS.glob("*.md"):
        assert path.name == "README.md" or f"({path.name})" in index, path.name


def test_decisions_are_numbered_without_gap():
    for number, path in enumerate(sorted((DOCS / "adr").glob("*.md")), start=1):
        assert path.name.startswith(f"{number:04d}-"), path.name
        assert path.read_text().startswith(f"# {number}. "), path.name


def test_targets_of_make_exist():
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"\bmake ([a-z][a-z-]*)", CODE))
    assert {"run", "test", "check"} <= named
    assert {name for name in named if not re.search(rf"^{name}:", makefile, re.MULTILINE)} == set()


def test_variables_are_settings():
    of_compose = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    files = {f"{name}_FILE" for name in SETTINGS if name.startswith(("DATABASE_", "REDIS_"))}
    named = {name for name in re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", EVERY) if name.startswith(OURS)}
    assert "HELPLINE_ENV" in named
    assert named - SETTINGS - files - of_compose == set()


def test_commands_and_their_options_exist():
    lines = re.findall(r"python -m helpline\.cli ([a-z-]+)([^\n]*)", CODE)
    assert {"import-calls", "create-admin", "prepare-database"} <= {command for command, _ in lines}
    for command, rest in lines:
        assert command in main.commands, command
        known = {option for parameter in main.commands[command].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known, f"{command}{rest}"


def test_named_files_exist():
    for name in re.findall(r"\b(?:tests|helpline|workers|migrations)/[\w/.-]+\.(?:py|json|csv|md)\b", EVERY):
        assert (ROOT / name).exists(), name


def test_addresses_exist(app):
    routes = app.url_map.bind("")
    paths = re.findall(r"http://127\.0\.0\.1:8080(/[\w/.-]*)", EVERY)
    assert {"/healthz", "/readyz", "/api/v1/me"} <= set(paths)
    for path in paths:
        try:
            routes.match(path)
        except werkzeug.exceptions.MethodNotAllowed:
            pass
        except werkzeug.exceptions.NotFound:
            pytest.fail(f"no page at {path}")

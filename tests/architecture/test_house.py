"""The house rules that a linter does not know (see docs/architecture.md): each walks the source itself."""

import ast
from pathlib import Path

import pytest

from helpline.settings import ROOT

ROOMS = {
    "__init__", "pages", "api", "schemas", "services", "gateways", "queries", "policy", "models", "rules", "commands",
    "events", "vocabulary",
}  # fmt: skip
FOLDERS = {"data", "templates", "__pycache__"}
NOT_SLICES = {"foundation", "embedded", "web", "translations", "demo"}
SLICES = sorted(
    folder for folder in (ROOT / "helpline").iterdir() if folder.is_dir() and folder.name not in NOT_SLICES | FOLDERS
)
SOURCES = sorted([*(ROOT / "helpline").rglob("*.py"), *(ROOT / "workers").rglob("*.py")])
OUTER_ROOMS = {"pages", "api", "schemas"}
NETWORK = {"smtplib", "requests", "httpx", "urllib3", "http", "socket", "redis", "ftplib", "imaplib", "poplib"}


def place(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room_of(path: Path) -> str | None:
    """`services` for helpline/calls/services.py and for helpline/calls/services/log.py; None outside slices."""
    parts = path.relative_to(ROOT / "helpline").parts if path.is_relative_to(ROOT / "helpline") else ()
    if len(parts) < 2 or parts[0] in NOT_SLICES:
        return None
    return parts[1].removesuffix(".py")


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module or ""}
    return found


def calls_of(path: Path) -> set[str]:
    """Dotted text of everything called: `db.session.commit`, `datetime.now`."""
    return {ast.unparse(node.func) for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)}


@pytest.mark.parametrize("folder", SLICES, ids=lambda folder: folder.name)
def test_a_slice_has_only_the_named_rooms(folder):
    for entry in folder.iterdir():
        assert entry.name in FOLDERS or entry.name.removesuffix(".py") in ROOMS, f"{place(entry)} is no room of a slice"


@pytest.mark.parametrize("path", SOURCES, ids=place)
def test_one_owner_each(path):
    here, calls = place(path), calls_of(path)
    methods = {call.rpartition(".")[2] for call in calls}
    if here != "helpline/foundation/db.py":
        owners = {call for call in calls if call.endswith(("session.commit", "session.rollback", "session().commit"))}
        assert not owners, "only foundation/db.py commits or rolls back"
    if here != "helpline/foundation/clock.py":
        clocks = {
            "datetime.now",
            "datetime.utcnow",
            "date.today",
            "time.time",
            "datetime.today",
            "datetime.datetime.now",
        }
        assert not calls & clocks, "only foundation/clock.py reads the system clock"
    if here != "workers/relay.py":
        assert not methods & {"send_task", "delay", "apply_async"}, "only the relay enqueues"
    if here != "helpline/settings.py" and not here.startswith("helpline/embedded/"):
        assert "os.environ" not in path.read_text(), "only settings.py reads the environment"
        assert "os.getenv" not in path.read_text(), "only settings.py reads the environment"


@pytest.mark.parametrize("path", [p for p in SOURCES if room_of(p)], ids=place)
def test_rooms_import_what_they_may(path):
    room, imports = room_of(path), imports_of(path)
    roots = {name.partition(".")[0] for name in imports}
    if room in OUTER_ROOMS:
        assert "sqlalchemy" not in roots, "outer rooms know no SQL"
        assert not {name for name in imports if ".models" in name and name.startswith("helpline")}, "nor models"
        assert "helpline.foundation.db.db" not in imports, "nor the session"
    else:
        assert not roots & {"flask", "celery", "marshmallow", "flask_login", "flask_wtf"}, f"{room} is an inner room"
        if room != "gateways":
            assert not roots & NETWORK, "only gateways reach the network"
    if room in {"rules", "vocabulary", "commands", "events"}:
        assert not roots & {"sqlalchemy"}, f"{room} is pure"
        assert "helpline.foundation.clock.now" not in imports, "times are passed in"


@pytest.mark.parametrize("path", sorted((ROOT / "workers").rglob("*.py")), ids=place)
def test_workers_call_services_and_know_no_models(path):
    assert not {name for name in imports_of(path) if ".models" in name}


@pytest.mark.parametrize("path", SOURCES, ids=place)
def test_packages_are_empty(path):
    if path.name == "__init__.py":
        assert path.read_text() == ""


@pytest.mark.parametrize("path", SOURCES, ids=place)
def test_modules_stay_small(path):
    assert len(path.read_text().splitlines()) <= 400, "split it: a full room becomes a package of the same name"

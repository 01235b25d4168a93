"""The house rules that a linter does not know (see docs/architecture.md): each walks the source itself."""

import ast
import re
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
# `x.now(…)` of whatever name a clock was imported under, SQL's own included.
CLOCKS = (".now", ".utcnow", ".today", "time.time", ".time_ns", ".localtime", ".gmtime", "func.current_timestamp")
SQL_ENDS = re.compile(r"""["'](?:COMMIT|ROLLBACK|BEGIN|START TRANSACTION)\b""")
ENVIRONMENT = re.compile(r"\bos\.(?:environ|getenv|putenv)\b|from os import .*\b(?:environ|getenv)\b")
NO_ROOMS = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc", "shared", "lib"}
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
def test_no_room_is_called_after_nothing(path):
    names = {part.removesuffix(".py") for part in path.relative_to(ROOT).parts}
    assert not names & NO_ROOMS, "name it by what it does"


# Public services that ask for no permission of their own, and who has asked for it.
_CREDENTIAL = "the credential itself is what is asked for; nobody is known yet"
_OWN = "touches the actor's own session, draft or choice and nothing else"
_PART = "a part that the slice's own use cases share: they have asked"
_CALLER = "comes in with the record that tells of it: whoever writes that has asked"
ASKED_BEFORE = {
    "helpline/accounts/services/approvals.py": {"moved": _PART, "state_of": _PART},
    "helpline/accounts/services/factors.py": {
        "begun_authenticator": _OWN, "choose_factor": _CREDENTIAL, "enter": _CREDENTIAL, "present_factor": _CREDENTIAL,
    },
    "helpline/accounts/services/passkeys.py": {
        "accept_answer": _CREDENTIAL, "check_new": _PART, "creation_options": _OWN, "request_options": _CREDENTIAL,
    },
    "helpline/accounts/services/passwords.py": {
        "accept_link": _CREDENTIAL, "open_link": _CREDENTIAL, "request_password_reset": _CREDENTIAL,
        "invite_again": _PART,
    },
    "helpline/accounts/services/sessions.py": {
        "end_other_sessions": _OWN, "list_sessions": _OWN, "lock": _OWN, "own_session": _OWN, "renew_session": _OWN,
        "sign_in": _CREDENTIAL, "sign_out": _OWN, "unlock": _CREDENTIAL,
    },
    "helpline/accounts/services/tokens.py": {"scopes_of": _OWN},
    "helpline/calls/services/content.py": {"resolve": _PART},
    "helpline/calls/services/drafts.py": {"end_draft": _OWN},
    "helpline/calls/services/lists.py": {"narrowed": _PART},
    "helpline/cases/services/assigning.py": {"close_to": _PART},
    "helpline/cases/services/changing.py": {
        "add_line": _PART, "change": _PART, "tell": _PART, "write_note": _PART, "write_reason": _PART,
    },
    "helpline/followups/services/planning.py": {
        "add_planned": _PART, "schedule": _PART, "settle": _PART, "tell": _PART,
    },
    "helpline/followups/services/work.py": {"proposal": "reads what row security shows"},
    "helpline/imports/services/working.py": {"fail": _PART, "finish_check": _PART},
    "helpline/notifications/services.py": {"queue_message": _CALLER, "tell_administrators": _CALLER},
    "helpline/oversight/services/witnessing.py": {"standing": _PART, "tell_guardians": _PART},
    "helpline/people/services.py": {"add_people": _CALLER},
    "helpline/reference/services.py": {"load_reference": "set-up alone, as the owner of the tables"},
    "helpline/retention/services/deciding.py": {"centre_of": _PART},
    "helpline/retention/services/erasing.py": {"note": _PART},
    "helpline/referrals/services/routing.py": {
        "add_request": _PART, "ask_agency": _PART, "end_ask": _PART, "note": _PART, "take_back": _PART, "tell": _PART,
    },
}  # fmt: skip


def public_services(path):
    """(name, function, all functions of the module) of what takes a context as its first argument."""
    functions = {node.name: node for node in tree_of(path).body if isinstance(node, ast.FunctionDef)}
    for name, node in functions.items():
        first = node.args.args[0].arg if node.args.args else ""
        if not name.startswith("_") and first == "ctx":
            yield name, node, functions


def asks(node, functions, seen=()) -> bool:
    """Whether it, or a function of the same module that it calls, requires a permission."""
    called = {ast.unparse(call.func) for call in ast.walk(node) if isinstance(call, ast.Call)}
    return "require" in called or any(
        asks(functions[name], functions, (*seen, name)) for name in called & functions.keys() - set(seen)
    )


@pytest.mark.parametrize("path", [p for p in SOURCES if room_of(p) == "services"], ids=place)
def test_every_service_requires_a_permission(path):
    silent = {name for name, node, functions in public_services(path) if not asks(node, functions)}
    assert silent == ASKED_BEFORE.get(place(path), {}).keys()


@pytest.mark.parametrize("path", SOURCES, ids=place)
def test_one_owner_each(path):
    here, calls, source = place(path), calls_of(path), path.read_text()
    methods = {call.rpartition(".")[2] for call in calls}
    if here != "helpline/foundation/db.py":
        assert not methods & {"commit", "rollback"}, "only foundation/db.py commits or rolls back"
        assert not SQL_ENDS.search(source), "not by statements either"
        assert not {call for call in calls if call.endswith(".engine.begin")}, "nor beside the unit"
    if here not in {"helpline/foundation/clock.py", "helpline/foundation/outbox/models.py"}:  # machine time, says why
        clocks = {call for call in calls if call.endswith(CLOCKS) and not call.startswith("clock.")}
        assert not clocks, "only foundation/clock.py reads the system clock"
        assert not imports_of(path) & {f"time.{name}" for name in ("time", "time_ns", "localtime", "gmtime")}
    if here != "workers/relay.py":
        assert not methods & {"send_task", "delay", "apply_async"}, "only the relay enqueues"
    if here != "helpline/settings.py" and not here.startswith("helpline/embedded/"):
        assert not ENVIRONMENT.search(source), "only settings.py reads the environment"


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

"""The test bed: one embedded PostgreSQL and Valkey per session, one database per worker, and no way out to a network."""

import functools
import hashlib
import shutil
import subprocess
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
import pytest_socket
import redis
from flask import Flask, current_app
from flask.testing import FlaskClient
from flask_migrate import Migrate, upgrade
from flask_sqlalchemy.session import Session
from psycopg import sql
from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.pool import NullPool

from helpline.app import create_app
from helpline.embedded import servers
from helpline.embedded.place import DATABASE, find_place
from helpline.embedded.processes import ServerError
from helpline.foundation.access.permissions import MACHINES, SystemActor
from helpline.foundation.context import current_context, system_context
from helpline.foundation.crypto import keyring
from helpline.foundation.crypto.keyring import make_keys
from helpline.foundation.db import db, sign_transactions, unit_of_work
from helpline.foundation.provision import install_context_key, prepare_database
from helpline.reference.services import load_reference
from helpline.settings import ROOT, Settings
from tests.factories.accounts import MadeCentre, MadeUser, make_centre, make_user
from tests.factories.cases import World, make_world

TEMPLATE = "helpline_template"
PREFIX = "helpline-tests-"
SETTLED_SECONDS = 120
FORGOTTEN_SECONDS = 3600
hypothesis.settings.register_profile("reduced", max_examples=50, deadline=None, derandomize=True)
hypothesis.settings.register_profile("full", max_examples=1000, deadline=None, print_blob=True)
LOGINS = ("owner", "web", "worker", "relay", "search")
LOOPBACK = ["127.0.0.1", "::1", "localhost"]


@dataclass(frozen=True)
class TestBed:
    """Where this session's servers are; plain texts, so that xdist can hand it to its workers."""

    __test__ = False
    admin_url: str = field(repr=False)
    urls: dict[str, str] = field(repr=False)  # one address of each login, of the template
    redis_url: str = field(repr=False)
    folder: str
    migration_problem: str  # empty when the template is migrated

    def urls_of(self, database: str) -> dict[str, str]:
        return {login: url.replace(f"/{TEMPLATE}?", f"/{database}?") for login, url in self.urls.items()}

    def make_database(self, name: str, template: str = TEMPLATE) -> dict[str, str]:
        """A new database, copied from the migrated template (or `template0`: empty), and its addresses."""
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        urls = self.urls_of(name)
        prepare_database(self.admin_url, *(urls[login] for login in LOGINS), template=template)
        return urls


BED = pytest.StashKey[TestBed]()
STACK = pytest.StashKey[ExitStack]()


def _sweep_stale() -> None:
    """Delete what killed sessions left: whoever still uses a folder holds its lock, soon after making it."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(ServerError, OSError):
            if time.time() - folder.stat().st_ctime > SETTLED_SECONDS:
                servers.erase(folder)


def _start(stack: ExitStack) -> TestBed:
    _sweep_stale()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    folder.chmod(0o755)  # the servers' own account must reach its data, which is closed to all others
    stack.callback(lambda: servers.erase(folder))
    settings = Settings(embedded_path=folder, port=0)
    problem = "" if _take_cached(folder) else _make_template(settings)
    keyring.install(keyring.KeyRing.open(folder / "keys.json"))
    running = stack.enter_context(servers.running(settings, durable=False))
    return TestBed(running.admin_url, running.urls_of(TEMPLATE), running.redis_url, str(folder), problem)


def _cached() -> Path:
    """Where a cluster with the template of just these migrations and this reference data is kept between sessions."""
    told = hashlib.sha256(Path(__file__).read_bytes())
    for path in sorted([*(ROOT / "migrations").rglob("*.py"), *(ROOT / "helpline/reference").rglob("*")]):
        if path.is_file() and path.suffix != ".pyc":
            told.update(path.read_bytes())
    return ROOT / ".pytest_cache" / "templates" / told.hexdigest()[:16]


def _take_cached(folder: Path) -> bool:
    cached, home = _cached(), find_place(folder).home
    if cached.exists():
        subprocess.run(["cp", "-a", cached / "keys.json", cached / "keys.json.machine", folder], check=True)
        subprocess.run(["cp", "-a", cached / DATABASE, cached / "passwords.json", home], check=True)
    return cached.exists()


def _make_template(settings: Settings) -> str:
    """Make keys, a cluster and in it the template; keep a copy if all went well. Returns what went wrong."""
    folder, cached = settings.embedded_path, _cached()  # named before: a source saved meanwhile is not in it
    make_keys(folder / "keys.json", generated=True)
    keyring.install(keyring.KeyRing.open(folder / "keys.json"))
    with servers.running(settings, durable=False) as running:
        urls = running.urls_of(TEMPLATE)
        prepare_database(running.admin_url, *(urls[login] for login in LOGINS))
        problem = _migrate(urls)
    if not problem:
        home = find_place(folder).home
        cached.parent.mkdir(parents=True, exist_ok=True)
        for older in cached.parent.iterdir():
            if time.time() - older.stat().st_ctime > FORGOTTEN_SECONDS:
                shutil.rmtree(older, ignore_errors=True)
        unfinished = Path(tempfile.mkdtemp(dir=cached.parent))
        for part in (folder / "keys.json", folder / "keys.json.machine", home / "passwords.json", home / DATABASE):
            subprocess.run(["cp", "-a", part, unfinished], check=True)
        with suppress(OSError):  # another session was first
            unfinished.rename(cached)
    return problem


def _migrate(urls: dict[str, str]) -> str:
    """Bring the template to the newest revision, as its owner. Returns what went wrong, so that the rest can run."""
    app = Flask("migrate")
    app.config["SQLALCHEMY_DATABASE_URI"] = urls["owner"]
    db.init_app(app)
    Migrate(app, db, directory=str(ROOT / "migrations"))
    with app.app_context():
        try:
            upgrade()
            install_context_key(urls["owner"])
            with unit_of_work(system_context(SystemActor.KEEPER)) as ctx:
                load_reference(ctx)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - any failure is told to the tests that need the template
            return f"The template can't be migrated: {getattr(error, 'orig', error)}\n{traceback.format_exc(limit=-3)}"
        finally:
            db.engine.dispose()
    return ""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="the full profile: everything marked nightly, more examples")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--full"):
        nightly = [item for item in items if item.get_closest_marker("nightly")]
        config.hook.pytest_deselected(items=nightly)
        items[:] = [item for item in items if item not in nightly]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[STACK] = ExitStack()
    hypothesis.settings.load_profile("full" if config.getoption("--full") else "reduced")
    workerinput = getattr(config, "workerinput", None)
    if workerinput is not None:
        config.stash[BED] = TestBed(**workerinput["test_bed"])


def pytest_configure_node(node: "pytest.Item") -> None:
    """xdist: the controller owns the servers and tells each worker where they are."""
    if BED not in node.config.stash:
        node.config.stash[BED] = _start(node.config.stash[STACK])
    node.workerinput["test_bed"] = asdict(node.config.stash[BED])


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[STACK].close()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    pytest_socket.socket_allow_hosts(LOOPBACK, allow_unix_socket=True)


@pytest.fixture(scope="session")
def bed(pytestconfig: pytest.Config) -> TestBed:
    """The session's servers, started on first use, and their keys in this process."""
    if BED not in pytestconfig.stash:
        pytestconfig.stash[BED] = _start(pytestconfig.stash[STACK])
    bed = pytestconfig.stash[BED]
    if not keyring.is_open():  # a worker of xdist finds the servers running
        keyring.install(keyring.KeyRing.open(Path(bed.folder) / "keys.json"))
    return bed


@pytest.fixture(scope="session")
def worker_number(pytestconfig: pytest.Config) -> int:
    """0 without xdist, otherwise 1, 2, …: a name for what each worker has to itself."""
    name: str = getattr(pytestconfig, "workerinput", {}).get("workerid", "gw-1")
    return int(name.removeprefix("gw")) + 1


@pytest.fixture(scope="session")
def make_database(bed: TestBed) -> Callable[..., dict[str, str]]:
    """`make_database(name, template=…)` -> the addresses of each login, of a database of one's own."""
    return bed.make_database


@pytest.fixture(scope="session")
def database_urls(bed: TestBed, worker_number: int) -> dict[str, str]:
    """The addresses of each login, of this worker's migrated database."""
    if bed.migration_problem:
        pytest.fail(bed.migration_problem)
    return bed.make_database(f"helpline_test_{worker_number}")


@pytest.fixture(scope="session")
def admin_url(bed: TestBed) -> str:
    """The superuser's address; it opens the database `postgres`."""
    return bed.admin_url


@pytest.fixture(scope="session")
def redis_url(bed: TestBed, worker_number: int) -> Iterator[str]:
    """This worker's own, empty, numbered database of the broker."""
    url = f"{bed.redis_url.rsplit('/', 1)[0]}/{worker_number + 1}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield url


@pytest.fixture(scope="session")
def settings(bed: TestBed, database_urls: dict[str, str], redis_url: str, worker_number: int) -> Settings:
    """How this worker's processes are to run."""
    return Settings(
        env="test",
        database_url=database_urls["web"],
        database_worker_url=database_urls["worker"],
        database_relay_url=database_urls["relay"],
        database_search_url=database_urls["search"],
        database_owner_url=database_urls["owner"],
        redis_url=redis_url,
        keys_path=Path(bed.folder) / "keys.json",
        embedded_path=Path(bed.folder),
        search_socket_path=Path(bed.folder) / f"search-{worker_number}.sock",
    )


@pytest.fixture(scope="session", autouse=True)
def machines() -> Iterator[None]:
    """What a system actor of the workers does in any test goes by their own login and its own role, as it does for good."""
    engines: dict[URL, Engine] = {}
    plain = Session.get_bind

    def get_bind(session: Session, *args: Any, **more: Any) -> Any:
        bind, ctx = plain(session, *args, **more), current_context()
        if (
            ctx is None
            or ctx.actor.role not in set(MACHINES) - {SystemActor.KEEPER}
            or bind.url.username != "helpline_web"
        ):
            return bind
        url = make_url(current_app.extensions["helpline_settings"].database_worker_url).set(
            drivername=bind.url.drivername
        )
        if url not in engines:
            engines[url] = create_engine(url, poolclass=NullPool)
            sign_transactions(engines[url], step_down=True)
        return engines[url]

    Session.get_bind = get_bind  # type: ignore[method-assign]
    yield
    Session.get_bind = plain  # type: ignore[method-assign]


@pytest.fixture(scope="session")
def app(settings: Settings) -> Iterator[Flask]:
    """The application, connected as the web role. No application context is pushed: requests bring their own."""
    app = create_app(settings)
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def in_app(app: Flask) -> Iterator[Flask]:
    """An application context, for tests that call services (`with unit_of_work(ctx): …`). Not together with `client`."""
    with app.app_context():
        yield app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser without JavaScript."""
    return app.test_client()


@pytest.fixture
def statements(app: Flask) -> Iterator[list[str]]:
    """Every SQL statement that the web role's engine runs from here on; clear it before the part that counts."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


@pytest.fixture
def centre(database_urls: dict[str, str]) -> MadeCentre:
    """A centre of this test's own."""
    return make_centre(database_urls["owner"])


@pytest.fixture
def make_person(centre: MadeCentre) -> Callable[..., MadeUser]:
    """`make_person("caseworker", team_id, …)`: active staff of this test's centre."""
    return functools.partial(make_user, centre)


@pytest.fixture(scope="module")
def worker_app(settings: Settings) -> Iterator[Flask]:
    """The application of a worker: each system actor works in its own database role."""
    app = create_app(settings, database_role="worker")
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def rows(database_urls: dict[str, str]) -> Callable[..., list[tuple[Any, ...]]]:
    """What the owner sees, past every rule: `rows("SELECT …", *args)`."""

    def read(statement: str, *args: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(database_urls["owner"]) as connection:
            cursor = connection.execute(statement, args)
            return cursor.fetchall() if cursor.description else []

    return read


@pytest.fixture
def world(database_urls: dict[str, str]) -> World:
    """A centre of the test's own, with one of each role."""
    return make_world(database_urls["owner"])

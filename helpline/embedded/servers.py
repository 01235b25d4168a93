"""PostgreSQL and Valkey of one instance, started together and stopped in the right order."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from helpline.embedded import postgres, valkey
from helpline.embedded.keeping import Kept
from helpline.embedded.place import Place, find_place, passwords, sole_use, write_private
from helpline.embedded.processes import ServerError
from helpline.settings import EMBEDDED_ADDRESSES, Settings

DATABASE = "helpline"


@dataclass(frozen=True)
class Servers:
    """The addresses of running servers: `admin_url` opens database `postgres` as superuser, the others `helpline`."""

    admin_url: str
    owner_url: str
    web_url: str
    worker_url: str
    relay_url: str
    search_url: str
    redis_url: str
    kept: list[Kept] = field(default_factory=list, repr=False)

    def urls_of(self, database: str) -> dict[str, str]:
        """Owner, web, worker, relay and search addresses of another database of the same cluster."""
        named = {
            "owner": self.owner_url,
            "web": self.web_url,
            "worker": self.worker_url,
            "relay": self.relay_url,
            "search": self.search_url,
        }
        return {name: url.replace(f"@/{DATABASE}?", f"@/{database}?") for name, url in named.items()}

    def stop(self) -> None:
        """Stop what was started here, the last one first."""
        for kept in reversed(self.kept):
            kept.stop()


@contextmanager
def running(settings: Settings, *, durable: bool = True) -> Iterator[Servers]:
    """Both servers for as long as the block runs, held alone. Raises ServerError.

    `durable=False` is for tests: nothing is flushed to disk.
    """
    place = find_place(settings.embedded_path)
    with sole_use(place.home, f"http://{settings.host}:{settings.port}, folder {place.var}"):
        try:
            servers = _start(place, durable=durable)
        except OSError as error:
            raise ServerError(f"The servers under {place.home} could not start: {error.strerror}.") from error
        try:
            yield servers
        finally:
            servers.stop()


def erase(var: Path) -> None:
    """Delete an instance and all it holds. Raises ServerError while anything uses it."""
    place = find_place(var)
    with sole_use(place.home, "being erased"):
        postgres.clear_leftovers(place)
        valkey.clear_leftovers(place)
        shutil.rmtree(place.sockets)
        shutil.rmtree(place.home)
    shutil.rmtree(var, ignore_errors=True)


def _start(place: Place, *, durable: bool) -> Servers:
    secret = passwords(place.home)
    postgres.make_cluster(place, secret["admin"], durable=durable)
    port = valkey.free_port()

    def address(login: str) -> str:
        return postgres.url(place, f"helpline_{login}", secret[login], DATABASE)

    servers = Servers(
        admin_url=postgres.url(place, postgres.SUPERUSER, secret["admin"], "postgres"),
        owner_url=address("owner"),
        web_url=address("web"),
        worker_url=address("worker"),
        relay_url=address("relay"),
        search_url=address("search"),
        redis_url=valkey.url(secret["valkey"], port),
    )
    try:
        database = Kept(postgres.child(place, durable=durable), lambda: postgres.clear_leftovers(place))
        servers.kept.append(database)
        broker = Kept(
            valkey.child(place, secret["valkey"], port, durable=durable), lambda: valkey.clear_leftovers(place)
        )
        servers.kept.append(broker)
        postgres.wait_ready(place, database.process, servers.admin_url)
        valkey.wait_ready(place, broker.process, servers.redis_url)
    except BaseException:
        servers.stop()
        raise
    return servers


def publish(servers: Servers, var: Path) -> None:
    """Tell the owner's other processes (`flask import-calls` in another terminal) where the servers are; mode 0600."""
    addresses = {
        "DATABASE_URL": servers.web_url,
        "DATABASE_WORKER_URL": servers.worker_url,
        "DATABASE_RELAY_URL": servers.relay_url,
        "DATABASE_SEARCH_URL": servers.search_url,
        "DATABASE_OWNER_URL": servers.owner_url,
        "REDIS_URL": servers.redis_url,
    }
    write_private(var / EMBEDDED_ADDRESSES, json.dumps(addresses))


def rotate_logs(folder: Path, keep: int = 3) -> None:
    """At each start: NAME.log becomes NAME.log.1 and so on; the oldest goes."""
    for log in folder.glob("*.log"):
        for number in range(keep, 0, -1):
            older = log.with_name(f"{log.name}.{number}")
            newer = log if number == 1 else log.with_name(f"{log.name}.{number - 1}")
            if newer.exists():
                newer.replace(older)

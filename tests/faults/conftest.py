"""A whole service over a broker of its own that a test may kill, with or without what it holds."""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from helpline.embedded import valkey
from helpline.embedded.place import Place, find_place
from helpline.embedded.processes import spawn
from helpline.settings import Settings
from tests.journeys.stack import Stack, service

PASSWORD = "only-for-this-test"  # pragma: allowlist secret


@dataclass
class Broker:
    place: Place
    port: int
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def url(self) -> str:
        return valkey.url(PASSWORD, self.port)

    def start(self) -> None:
        self.process = spawn(valkey.child(self.place, PASSWORD, self.port, durable=True))
        valkey.wait_ready(self.place, self.process, self.url)

    def kill(self, *, lose_data: bool) -> None:
        """kill -9; everything it held may go with it."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if lose_data:
            shutil.rmtree(valkey.data_folder(self.place))
            self.place = find_place(self.place.var)


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    folder = Path(tempfile.mkdtemp(prefix="helpline-broker-"))
    folder.chmod(0o755)  # the server's own account must reach its data
    broker = Broker(find_place(folder), valkey.free_port())
    broker.start()
    yield broker
    broker.kill(lose_data=True)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def stack(
    settings: Settings, make_database: Callable[..., dict[str, str]], worker_number: int, broker: Broker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:  # fmt: skip
    urls = make_database(f"helpline_faults_{worker_number}")
    own = replace(
        settings, database_url=urls["web"], database_worker_url=urls["worker"], database_relay_url=urls["relay"],
        database_owner_url=urls["owner"], database_search_url=urls["search"], redis_url=broker.url,
    )  # fmt: skip
    with service(own, tmp_path_factory.mktemp("faults")) as running:
        running.start()
        running.wait_ready()
        yield running

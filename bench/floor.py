"""The floor: what the same machine, database and body cost by pgbench alone, in the same run."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg

from bench.measuring import Timing, timing
from helpline.embedded.place import find_place
from helpline.embedded.processes import ServerError
from helpline.settings import Settings


def pgbench(settings: Settings) -> str:
    """The program beside the embedded server, else whichever the system has. Raises ServerError."""
    own = find_place(settings.embedded_path).postgres_bin / "pgbench"
    found = str(own) if own.exists() else shutil.which("pgbench")
    if not found:
        raise ServerError("pgbench is missing. Install it: sudo apt-get install postgresql-contrib")
    return found


def insert_floor(settings: Settings, body: bytes, clients: int, count: int) -> Timing:
    """A plain insert and commit of this body, by the tables' owner; `count` of each client."""
    with psycopg.connect(settings.database_owner_url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS bench_floor (id uuid PRIMARY KEY, body text NOT NULL)")
        words = psycopg.sql.Literal(body.decode()).as_string(connection)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "insert.sql"
        script.write_text(f"INSERT INTO bench_floor VALUES (uuidv7(), {words});\n")
        command = [
            *(pgbench(settings), "--no-vacuum", "--log", "--log-prefix", f"{folder}/log", "--file", script),
            *("--client", str(clients), "--jobs", str(min(clients, os.cpu_count() or 1))),
            *("--transactions", str(count), settings.database_owner_url),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServerError(f"pgbench failed: {done.stderr}")
        logs = [line.split() for log in Path(folder).glob("log.*") for line in log.read_text().splitlines()]
    # pgbench logs 0 where the answer was there before it looked again, as on a busy machine: those tell nothing.
    average = clients / float(done.stdout.partition("tps = ")[2].split()[0])
    return timing([int(line[2]) / 1e6 for line in logs if line[2] != "0"] or [average], clients)

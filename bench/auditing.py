"""Sealing and verifying the audit: entries by plain SQL, sealed by the notary, proved by `flask verify-audit`."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
from flask import Flask

from bench.bed import environment
from bench.house import House
from helpline.embedded.processes import ServerError
from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.context import Channel, system_context
from helpline.foundation.db import unit_of_work
from helpline.oversight.gateways import FileWitness
from helpline.oversight.services import notary, witnessing
from helpline.oversight.vocabulary import Witness
from helpline.settings import ROOT, Settings

# As many readings of calls by one operator over a year; the trigger notes each as waiting for its place.
_ENTRIES = """
    INSERT INTO audit_entries (id, at, centre_id, actor_id, actor_role, channel, request_id, action, outcome,
                               subject_kind, subject_ids, field_groups, details)
    SELECT uuidv7(), now() - (%(count)s - n) * (interval '365 days' / %(count)s), %(centre)s, %(actor)s, 'operator',
           'api', uuidv7(), 'call.shown', 'shown', 'call', ARRAY[uuidv7()], '{story,contact}', '{}'
    FROM generate_series(1::bigint, %(count)s) n
"""


@dataclass(frozen=True)
class _Run:
    """One run of the command: how many entries it proved whole, seconds, CPU of its process, peak of its memory."""

    entries: int
    seconds: float
    cpu: float
    megabytes: int


def measure_audit(app: Flask, settings: Settings, house: House, count: int, say: Callable[[str], None]) -> None:
    """`app` is the worker's. Raises ServerError where the audit does not come out whole."""
    values = {"count": count, "centre": house.centre_id, "actor": house.operators[0].id}
    with psycopg.connect(settings.database_owner_url) as connection:
        connection.execute(_ENTRIES, values)
    with psycopg.connect(settings.database_owner_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE audit_entries, audit_pending")
    with tempfile.TemporaryDirectory(prefix="helpline-bench-") as folder, app.app_context():
        witness = Path(folder) / "witness.jsonl"
        started = time.perf_counter()
        sealed = sum(iter(_seal, 0))
        sealing = time.perf_counter() - started
        _give(witness)
        alone, beside = _verify(settings), _verify(settings, "--witness", str(witness))
    say(f"\nThe audit: {sealed} entries sealed in {sealing:.1f} s, {sealed / sealing:.0f} a second.\n")
    say("| verify-audit | entries | s | entries/s | CPU s | peak MB |\n|---|---|---|---|---|---|")
    for name, done in (("by the stored checkpoints", alone), ("against a witness's file", beside)):
        speed = f"{done.entries / done.seconds:.0f}"
        say(f"| {name} | {done.entries} | {done.seconds:.1f} | {speed} | {done.cpu:.1f} | {done.megabytes} |")


def _seal() -> int:
    with unit_of_work(system_context(SystemActor.NOTARY, channel=Channel.CLI)) as ctx:
        return notary.seal_entries(ctx)


def _give(path: Path) -> None:
    """Hand every checkpoint to a witness's file, as the worker does."""
    file = FileWitness(path)
    while True:
        with unit_of_work(system_context(SystemActor.NOTARY, channel=Channel.CLI)) as ctx:
            lines = witnessing.claim(ctx, Witness.FILE)
        if not lines:
            return
        file.give(lines)
        with unit_of_work(system_context(SystemActor.NOTARY, channel=Channel.CLI)) as ctx:
            witnessing.record_given(ctx, Witness.FILE, lines[-1].number)


def _verify(settings: Settings, *arguments: str) -> _Run:
    started = time.perf_counter()
    told = environment(replace(settings, database_admin_url=""))
    command = [sys.executable, "-m", "helpline.cli", "verify-audit", *arguments]
    with subprocess.Popen(command, cwd=ROOT, env=told, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _pid, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    found = re.match(r"Whole: (\d+) entries", said)
    if process.returncode or not found:
        raise ServerError(f"The audit did not come out whole: {said}")
    seconds = time.perf_counter() - started
    return _Run(int(found[1]), seconds, used.ru_utime + used.ru_stime, used.ru_maxrss // 1024)

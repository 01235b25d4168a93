"""`verify-audit`, as somebody at the machine runs it."""

import pytest
from click.testing import CliRunner

from helpline import cli
from helpline.foundation.crypto import keyring


@pytest.fixture
def run(audit):
    own, held = audit.settings, keyring.ring()
    env = {
        "HELPLINE_ENV": "test", "DATABASE_URL": own.database_url, "DATABASE_WORKER_URL": own.database_worker_url,
        "REDIS_URL": own.redis_url, "HELPLINE_KEYS_FILE": str(own.keys_path),
    }  # fmt: skip
    yield lambda *words: CliRunner().invoke(cli.main, ["verify-audit", *words], env=env)
    keyring.install(held)


def test_a_whole_audit_and_a_broken_one(audit, run, tmp_path):
    audit.write(3)
    audit.seal()
    path = tmp_path / "witness.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in audit.give()) + b'{"torn')
    whole = run("--witness", str(path))
    assert whole.exit_code == 0, whole.output
    assert "cut short" in whole.output
    assert "Whole: 6 entries, last witnessed checkpoint 1 of " in whole.output
    entry_id = audit.leaf(2)
    inside = run("--entry", str(entry_id))
    assert (inside.exit_code, "It is in the audit" in inside.output) == (0, True), inside.output
    with audit.owner() as connection:
        connection.execute("UPDATE audit_entries SET action = 'case.closed' WHERE id = %s", [entry_id])
    broken = run("--witness", str(path))
    assert broken.exit_code == 1
    assert f"NOT whole: entry {entry_id} (place 2) was edited." in broken.output
    assert run("--entry", str(entry_id)).exit_code == 1


def test_what_can_t_be_read_is_said(run, tmp_path):
    missing = run("--witness", str(tmp_path / "nowhere"))
    assert (missing.exit_code, "No such file" in missing.output) == (1, True)
    (tmp_path / "other").write_text("hello\n")
    other = run("--witness", str(tmp_path / "other"))
    assert (other.exit_code, "witness unreadable" in other.output) == (1, True)

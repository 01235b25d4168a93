"""Whoever owns the database does what they like with its rows; verification names the first thing they did."""

import base64
import random
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from helpline.foundation.audit import checkpoints
from helpline.foundation.audit.checkpoints import (
    COLUMNS,
    FIRST,
    Checkpoint,
    digest_of,
    leaf_data,
    read_checkpoint,
    sign_checkpoint,
)
from helpline.foundation.audit.models import AuditEntry
from helpline.foundation.audit.tree import Tree, consistency_proof, leaf_hash
from helpline.foundation.errors import Invalid, NotFound
from helpline.foundation.ids import new_id
from helpline.oversight.queries import tree as queries
from helpline.oversight.services import verifying

CHANGES = {
    "id": "gen_random_uuid()", "at": "at + interval '1 microsecond'", "centre_id": "NULL", "actor_id": "gen_random_uuid()",
    "actor_role": "'admin'", "channel": "'api'", "request_id": "gen_random_uuid()", "cause_id": "gen_random_uuid()",
    "action": "'case.closed'", "outcome": "'refused'", "subject_kind": "'call'",
    "subject_ids": "subject_ids || gen_random_uuid()", "field_groups": "field_groups || 'risk'::text",
    "details": "details || '{\"count\": 4}'",
}  # fmt: skip
PLACE = 4


@pytest.fixture
def sealed(audit):
    """An audit of some entries under several checkpoints, and what a witness was given of it."""
    audit.write(4)
    while audit.seal(limit=3):
        pass
    return audit, audit.give()


def run(audit, *statements):
    with audit.owner() as connection:
        for statement, *values in statements:
            connection.execute(statement, *values)


def rewrite(audit, sign=sign_checkpoint):
    """Compute the whole tree anew over the entries as they are now, in the order of the leaves, and sign it again."""

    def work(_ctx):
        stored = [leaf for leaf in queries.list_leaves(0, queries.count_leaves()) if leaf.columns is not None]
        notes = [read_checkpoint(found.note) for found in queries.list_checkpoints(0, 1000)]
        return stored, notes

    stored, notes = audit.as_notary(work)
    tree, previous, rows, new = Tree(), FIRST, [], []
    for stated in notes:
        size, old = min(stated.size, len(stored)), Tree(tree.size, tree.peaks)
        for seq in range(tree.size, size):
            rows.append((seq, stored[seq].entry_id, leaf_hash(leaf_data(seq, stored[seq].columns))))
            tree.add(rows[-1][2])
        proof = consistency_proof(old.size, size, old.subtree([row[2] for row in rows[old.size :]]))
        note = sign(Checkpoint(stated.number, size, tree.root(), stated.at, previous))
        previous = digest_of(note)
        new.append((stated.number, note, list(tree.peaks), proof))
    with audit.owner() as connection:
        connection.execute("DELETE FROM audit_leaves")
        connection.execute("DELETE FROM audit_checkpoints")
        connection.cursor().executemany("INSERT INTO audit_leaves (seq, entry_id, leaf_hash) VALUES (%s, %s, %s)", rows)
        connection.cursor().executemany(
            "INSERT INTO audit_checkpoints (number, note, peaks, proof) VALUES (%s, %s, %s, %s)", new
        )


def insert_like(audit, entry_id, model):
    names = ", ".join(name for name in COLUMNS if name != "id")
    run(
        audit,
        (
            f"INSERT INTO audit_entries (id, {names}) SELECT %s, {names} FROM audit_entries WHERE id = %s",
            [entry_id, model],
        ),
    )


def test_what_is_whole_is_whole(sealed):
    audit, texts = sealed
    assert audit.found() is None
    state = audit.verify(texts)
    assert state.finding is None
    said = verifying.sentences(state)
    assert said[0].startswith(f"Whole: {state.size} entries, last witnessed checkpoint {len(texts)} of ")


def test_the_end_of_a_verification_is_on_record(sealed):
    audit, texts = sealed
    audit.verify(texts)
    last = "SELECT details FROM audit_entries WHERE action = 'audit.verified' ORDER BY id DESC LIMIT 1"
    with audit.owner() as connection:
        details = connection.execute(last).fetchone()[0]
        assert details["whole"] is True
        connection.execute("DELETE FROM audit_entries WHERE id = %s", [audit.leaf(PLACE)])
    audit.verify(texts)
    with audit.owner() as connection:
        details = connection.execute(last).fetchone()[0]
    assert (details["whole"], details["what"], details["place"]) == (False, "removed", PLACE)


def test_every_column_is_under_the_seal():
    assert tuple(column.name for column in AuditEntry.__table__.columns) == COLUMNS
    assert set(CHANGES) == set(COLUMNS)


@pytest.mark.parametrize("column", COLUMNS)
def test_an_edited_column(sealed, column):
    audit, texts = sealed
    entry_id = audit.leaf(PLACE)
    run(audit, (f"UPDATE audit_entries SET {column} = {CHANGES[column]} WHERE id = %s", [entry_id]))
    what = "removed" if column == "id" else "edited"  # an entry under another id is not that entry
    assert audit.found() == audit.found(texts) == (what, PLACE, entry_id)


@pytest.mark.parametrize("column", [name for name in COLUMNS if name != "id"])
def test_an_edited_column_under_a_tree_that_was_signed_again(sealed, column):
    audit, texts = sealed
    entry_id = audit.leaf(PLACE)
    run(audit, (f"UPDATE audit_entries SET {column} = {CHANGES[column]} WHERE id = %s", [entry_id]))
    rewrite(audit)
    assert audit.found() is None, "with the same key and no witness nothing can be told"
    assert audit.found(texts) == ("edited", PLACE, entry_id)


def test_the_first_of_several_is_named(sealed):
    audit, texts = sealed
    ids = [audit.leaf(seq) for seq in (2, 5, 6)]
    run(audit, ("UPDATE audit_entries SET action = 'case.closed' WHERE id = ANY(%s)", [ids]))
    assert audit.found() == audit.found(texts) == ("edited", 2, ids[0])


def test_a_removed_entry(sealed):
    audit, texts = sealed
    entry_id = audit.leaf(PLACE)
    run(audit, ("DELETE FROM audit_entries WHERE id = %s", [entry_id]))
    assert audit.found() == audit.found(texts) == ("removed", PLACE, entry_id)


def test_a_removed_entry_and_its_leaf(sealed):
    audit, texts = sealed
    entry_id = audit.leaf(PLACE)
    run(
        audit,
        ("DELETE FROM audit_entries WHERE id = %s", [entry_id]),
        ("DELETE FROM audit_leaves WHERE seq = %s", [PLACE]),
    )
    assert audit.found() == ("removed", PLACE, None)
    assert audit.found(texts) == ("removed", PLACE, entry_id)


def test_a_removed_leaf_alone(sealed):
    audit, texts = sealed
    entry_id = audit.leaf(PLACE)
    run(audit, ("DELETE FROM audit_leaves WHERE seq = %s", [PLACE]))
    assert audit.found()[:2] == ("removed", PLACE)
    assert audit.found(texts) == ("removed", PLACE, entry_id)


def test_a_removed_entry_with_the_others_moved_up_and_all_signed_again(sealed):
    audit, texts = sealed
    entry_id = audit.leaf(PLACE)
    run(
        audit, ("DELETE FROM audit_entries WHERE id = %s", [entry_id]), ("DELETE FROM audit_leaves WHERE seq = %s", [PLACE]),
        ("UPDATE audit_leaves SET seq = -seq WHERE seq > %s", [PLACE]), ("UPDATE audit_leaves SET seq = -seq - 1 WHERE seq < 0",),
    )  # fmt: skip
    assert audit.found()[:2] == ("reordered", PLACE), "what stands there was sealed for another place"
    rewrite(audit)
    assert audit.found(texts) == ("removed", PLACE, entry_id)


def swap(audit, *columns):
    first, second = PLACE, PLACE + 2
    with audit.owner() as connection:
        rows = {seq: connection.execute(f"SELECT {', '.join(columns)} FROM audit_leaves WHERE seq = %s", [seq]).fetchone() for seq in (first, second)}  # fmt: skip
        connection.execute(
            "UPDATE audit_leaves SET entry_id = gen_random_uuid() WHERE seq IN (%s, %s)", [first, second]
        )
        assigned = ", ".join(f"{column} = %s" for column in columns)
        for here, there in ((first, second), (second, first)):
            connection.execute(f"UPDATE audit_leaves SET {assigned} WHERE seq = %s", [*rows[there], here])


@pytest.mark.parametrize("columns", [("entry_id",), ("entry_id", "leaf_hash")], ids=["ids", "rows"])
def test_swapped_leaves(sealed, columns):
    audit, texts = sealed
    original, moved = audit.leaf(PLACE), audit.leaf(PLACE + 2)
    swap(audit, *columns)
    assert audit.found() == ("reordered", PLACE, moved)
    assert audit.found(texts) == ("reordered", PLACE, original), "the one that belongs there"
    rewrite(audit)
    assert audit.found(texts) == ("reordered", PLACE, original)


def test_an_entry_slipped_in_behind_the_trigger(sealed):
    audit, texts = sealed
    new = new_id()
    run(audit, ("ALTER TABLE audit_entries DISABLE TRIGGER audit_entries_pending",))
    insert_like(audit, new, audit.leaf(1))
    run(audit, ("ALTER TABLE audit_entries ENABLE TRIGGER audit_entries_pending",))
    assert audit.found() == audit.found(texts) == ("inserted", None, new)


def test_a_leaf_slipped_in_after_the_last_checkpoint(sealed):
    audit, texts = sealed
    new, size = new_id(), audit.verify().size
    insert_like(audit, new, audit.leaf(1))
    run(audit, ("DELETE FROM audit_pending",), ("INSERT INTO audit_leaves VALUES (%s, %s, %s)", [size, new, b"x" * 32]))
    assert audit.found()[0] == audit.found(texts)[0] == "inserted"
    assert audit.found()[1:] == (size, new)


def test_an_entry_slipped_into_the_middle_and_all_signed_again(sealed):
    audit, texts = sealed
    new = new_id()
    insert_like(audit, new, audit.leaf(1))
    run(
        audit, ("DELETE FROM audit_pending",), ("UPDATE audit_leaves SET seq = -seq WHERE seq >= %s", [PLACE]),
        ("UPDATE audit_leaves SET seq = -seq + 1 WHERE seq < 0",), ("INSERT INTO audit_leaves VALUES (%s, %s, %s)", [PLACE, new, b"x" * 32]),
    )  # fmt: skip
    rewrite(audit)
    assert audit.found(texts) == ("inserted", PLACE, new)


def test_a_tree_signed_again_by_another_key(sealed, monkeypatch):
    audit, texts = sealed
    entry_id = audit.leaf(PLACE)
    run(audit, ("UPDATE audit_entries SET action = 'case.closed' WHERE id = %s", [entry_id]))

    other = Ed25519PrivateKey.generate()

    def sign(checkpoint):
        with monkeypatch.context() as patch:
            patch.setattr(checkpoints, "_signing_key", lambda: other)
            return sign_checkpoint(checkpoint)

    rewrite(audit, sign)
    assert audit.found()[:2] == ("forged", 0)
    assert audit.found(texts) == ("edited", PLACE, entry_id)


def test_leaves_computed_anew_under_the_old_checkpoints(sealed):
    """Without a witness the entry can't be told, but the stretch can; with one it can."""
    audit, texts = sealed
    entry_id = audit.leaf(PLACE)
    run(audit, ("UPDATE audit_entries SET action = 'case.closed' WHERE id = %s", [entry_id]))
    columns = audit.as_notary(lambda _ctx: queries.list_leaves(PLACE, PLACE + 1)[0].columns)
    run(audit, ("UPDATE audit_leaves SET leaf_hash = %s WHERE seq = %s", [leaf_hash(leaf_data(PLACE, columns)), PLACE]))
    finding = audit.verify().finding
    assert finding.what == "unproven"
    assert finding.seq <= PLACE <= finding.until
    assert finding.until - finding.seq < 3, "no wider than one checkpoint"
    assert audit.found(texts) == ("edited", PLACE, entry_id)


def test_the_end_cut_off(sealed):
    """Entries, leaves and checkpoints of the end are gone, as after an old backup: only a witness knows."""
    audit, texts = sealed
    with audit.owner() as connection:
        notes = connection.execute("SELECT note FROM audit_checkpoints ORDER BY number").fetchall()
        kept = read_checkpoint(notes[1][0])
        first = audit.leaf(kept.size)
        gone = "SELECT entry_id FROM audit_leaves WHERE seq >= %s"
        connection.execute(f"DELETE FROM audit_entries WHERE id IN ({gone})", [kept.size])
        connection.execute("DELETE FROM audit_entries WHERE id NOT IN (SELECT entry_id FROM audit_leaves)")
        connection.execute("DELETE FROM audit_pending")
        connection.execute("DELETE FROM audit_leaves WHERE seq >= %s", [kept.size])
        connection.execute("DELETE FROM audit_checkpoints WHERE number > 2")
    assert audit.found() is None
    run(audit, ("DELETE FROM audit_entries WHERE action = 'audit.verified'",), ("DELETE FROM audit_pending",))
    assert audit.found(texts) == ("removed", kept.size, first)


def test_a_checkpoint_forked_over_the_same_entries(sealed):
    """Signed again by our key, with the same entries: only the time differs, and the witness tells."""
    audit, texts = sealed
    with audit.owner() as connection:
        stated = read_checkpoint(
            connection.execute("SELECT note FROM audit_checkpoints ORDER BY number DESC LIMIT 1").fetchone()[0]
        )
        note = sign_checkpoint(
            Checkpoint(stated.number, stated.size, stated.root, audit.person.ctx().now, stated.previous)
        )
        connection.execute("UPDATE audit_checkpoints SET note = %s WHERE number = %s", [note, stated.number])
    assert audit.found() is None
    finding = audit.verify(texts).finding
    assert (finding.what, finding.checkpoint) == ("forked", stated.number)


@pytest.mark.parametrize("change", ["number = number + 100", "note = replace(note, 'number', 'nunber')"])
def test_a_checkpoint_removed_or_spoiled(sealed, change):
    audit, texts = sealed
    run(audit, (f"UPDATE audit_checkpoints SET {change} WHERE number = 2",))
    finding = audit.verify().finding
    assert (finding.what in {"lost", "forged"}, finding.checkpoint) == (True, 2)
    assert audit.verify(texts).finding.checkpoint == 2


def test_an_entry_removed_before_it_was_sealed_leaves_a_trace(audit):
    [entry_id, _shown] = audit.write(1)
    run(audit, ("DELETE FROM audit_entries WHERE id = %s", [entry_id]))
    audit.seal()
    what, place, named = audit.found()
    assert (what, named, audit.leaf(place)) == ("removed", entry_id, entry_id)


def test_a_witness_that_contradicts_itself(sealed):
    _audit, texts = sealed
    verifying.read_witness([*texts, texts[-1]])  # given twice is nothing
    verifying.read_witness(texts[1:])  # nor is a file that begins later
    for spoiled, code in (
        ([b"no json"], "witness_unreadable"), ([b"{}"], "witness_unreadable"),
        ([texts[0].replace(b"number 1", b"number 2")], "witness_forged"),
        ([texts[0].replace(b'"number":1', b'"number":2')], "witness_forged"),
        ([texts[0], texts[1].replace(b'"entries":["', b'"entries":["' + base64.b64encode(bytes(48)) + b'","')], "witness_inconsistent"),
    ):  # fmt: skip
        with pytest.raises(Invalid) as refused:
            verifying.read_witness(spoiled)
        assert refused.value.code == code


def test_a_witness_that_was_given_two_histories(sealed):
    audit, texts = sealed
    run(audit, ("UPDATE audit_entries SET action = 'case.closed' WHERE id = %s", [audit.leaf(PLACE)]))
    rewrite(audit)
    run(audit, ("DELETE FROM audit_followers",))
    with pytest.raises(Invalid) as refused:
        verifying.read_witness([*texts, *audit.give()])
    assert refused.value.code == "witness_forked"


def test_inclusion(sealed):
    audit, _texts = sealed
    size = audit.verify().size
    for seq in random.Random(1).sample(range(size), 5):
        place, checkpoint, proof, leads = audit.as_notary(verifying.prove_inclusion, audit.leaf(seq))
        assert (place, checkpoint.size, leads) == (seq, size, True)
        assert len(proof) <= size.bit_length()
    entry_id = audit.leaf(PLACE)
    run(audit, ("UPDATE audit_entries SET action = 'case.closed' WHERE id = %s", [entry_id]))
    assert not audit.as_notary(verifying.prove_inclusion, entry_id)[3]
    with pytest.raises(NotFound):
        audit.as_notary(verifying.prove_inclusion, new_id())


def test_parts_join_to_one_verification(sealed, monkeypatch):
    audit, texts = sealed
    monkeypatch.setattr(verifying, "PART", 2)
    assert audit.found(texts) is None
    entry_id = audit.leaf(PLACE)
    run(audit, ("UPDATE audit_entries SET action = 'case.closed' WHERE id = %s", [entry_id]))
    assert audit.found() == ("edited", PLACE, entry_id)


def test_the_digest_of_a_note_is_its_sha256():
    assert digest_of("note") == base64.b64encode(sha256(b"note").digest()).decode()

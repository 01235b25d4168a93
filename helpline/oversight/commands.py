"""What goes in, and what is handed to the outside."""

import base64
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import orjson


@dataclass(frozen=True, slots=True)
class Line:
    """One checkpoint as a witness keeps it: the note, the proof that it grew out of the one before, and of each new
    entry its id and hash. Ids and hashes tell nothing of what the entries say.
    """

    number: int
    note: str
    proof: Sequence[bytes]
    leaves: Sequence[tuple[uuid.UUID, bytes]]

    def text(self) -> bytes:
        """One line of JSON."""
        return orjson.dumps(
            {
                "number": self.number,
                "note": self.note,
                "proof": [base64.b64encode(node).decode() for node in self.proof],
                "entries": [base64.b64encode(entry_id.bytes + digest).decode() for entry_id, digest in self.leaves],
            }
        )


def read_line(text: bytes) -> Line:
    """What `Line.text` wrote. Raises ValueError for anything else."""
    try:
        found = orjson.loads(text)
        packed = [base64.b64decode(entry, validate=True) for entry in found["entries"]]
        proof = [base64.b64decode(node, validate=True) for node in found["proof"]]
        entries = [(uuid.UUID(bytes=raw[:16]), raw[16:]) for raw in packed]
        return Line(int(found["number"]), str(found["note"]), proof, entries)
    except (KeyError, TypeError) as error:
        raise ValueError("not a line of a witness") from error

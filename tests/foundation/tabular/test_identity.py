"""A row is its content and its occurrence, however the file was saved."""

import io

from hypothesis import given
from hypothesis import strategies as st

from helpline.foundation.tabular.identity import Identities, identity
from helpline.foundation.tabular.reading import open_table

ROWS = st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=4)


def identities_of(data):
    seen = Identities()
    with open_table(io.BytesIO(data), name="log") as table:
        return [seen(row.cells) for row in table.rows], seen


def test_saving_a_log_otherwise_keeps_its_identities():
    first, _seen = identities_of("a,b\nsí,1\nno,2\n".encode())
    again, _seen = identities_of("b;a\r\n1;sí \r\n2;no\r\n".encode("cp1252"))
    assert first == again


def test_identical_rows_are_numbered_and_counted():
    found, seen = identities_of(b"a,b\n1,2\n1,3\n1,2\n1,2\n")
    assert [row.occurrence for row in found] == [1, 1, 2, 3]
    assert len({row.digest for row in found}) == 2
    assert seen.repeated == 2


def test_an_identity_never_changes():
    assert identity({"b": "2", "a": " é "}).hex() == "a32ef53618e04a7ca5a9a5a263e53b3ec8bc153b2628e4e7f3795868e9b61754"


@given(ROWS, ROWS)
def test_different_content_has_different_identity(one, other):
    trimmed = [{header: cell.strip() for header, cell in row.items()} for row in (one, other)]
    assert (identity(one) == identity(other)) == (trimmed[0] == trimmed[1])

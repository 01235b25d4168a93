"""What tests of the registers share: a centre of one's own, a child with a story, what the tables hold past every rule."""

import pytest

from tests.architecture.test_doors import token_in
from tests.factories.accounts import sign_in


@pytest.fixture
def refusals(rows):
    """How many are on record for this person."""
    statement = "SELECT count(*) FROM audit_entries WHERE actor_id = %s AND outcome = 'refused'"
    return lambda user: rows(statement, user.id)[0][0]


@pytest.fixture
def browser(app):
    """`browser(user)`: signed in, a second factor given just now; and what every form carries."""

    def enter(user):
        client = app.test_client()
        sign_in(client, user, fresh=True)
        return client, {"csrf_token": token_in(client.get("/inbox").text)}

    return enter

"""Every route passes the door, and the door is shut to one that forgot."""

import pytest
from flask import Flask

from helpline.web.guard import init_guard


def test_every_route_has_a_guard(app):
    bare = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if not hasattr(app.view_functions[rule.endpoint], "helpline_guard")
    }
    assert bare == set()


@pytest.fixture
def forgetful():
    app = Flask("forgetful")
    app.secret_key = "for this test only"
    init_guard(app)
    app.add_url_rule("/open", view_func=lambda: "secret")
    return app


def test_a_route_without_a_guard_answers_403(forgetful):
    response = forgetful.test_client().get("/open")
    assert response.status_code == 403
    assert b"secret" not in response.data

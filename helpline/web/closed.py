"""While the keys are locked every address answers alike, whatever stands behind it."""

from flask import Flask, Response, current_app, request

from helpline.foundation.crypto import keyring
from helpline.web.errors import closed_answer

_LIVES = {"static", "health.healthz", "health.readyz"}


def init_closed(app: Flask) -> None:
    """Answer before anything else is asked, but for signs of life and the page at which key holders open again."""

    @app.before_request
    def _refuse_while_closed() -> Response | None:
        if keyring.is_open() or request.endpoint in _LIVES:
            return None
        view = current_app.view_functions.get(request.endpoint or "")
        return None if getattr(view, "helpline_guard", "") == "while_closed" else closed_answer()

"""Locking the keys, opening them again, and renewing the master key."""

import threading
import uuid
from collections import deque
from datetime import datetime, timedelta

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from helpline.foundation.access.permissions import Permission
from helpline.foundation.clock import real_now
from helpline.foundation.context import Channel
from helpline.foundation.crypto.keyring import KeyRingError
from helpline.foundation.log import get_logger
from helpline.keys import queries
from helpline.keys.rules import may_retire
from helpline.keys.schemas import RotationOut
from helpline.keys.services import locking, rotating
from helpline.web.errors import SENTENCES
from helpline.web.forms import refused
from helpline.web.guard import acting, guard, lock_link, while_closed

pages = Blueprint("keys", __name__, template_folder="templates")
log = get_logger(__name__)
SENTENCES.update(
    {
        "rotation_running": lambda: _("A renewal is under way already."),
        "retire_too_early": lambda: _(
            "Wait ten minutes after the renewal, so that nobody is left who uses the old key."
        ),
    }
)


@pages.get("/close")
@guard(Permission.KEYS_LOCK, locked=True)
def ask_to_lock() -> str:
    """What closing means, and the button that does it."""
    return render_template("keys/close.html")


@pages.post("/close")
@guard(Permission.KEYS_LOCK, locked=True)
def lock() -> str:
    """Lock the keys. Who did it sees what everybody sees from now on."""
    return _lock()


@pages.get("/close/<token>")
@lock_link()
def ask_to_lock_by_link(token: str) -> str:
    """A page that says nothing but that there is something to close. Opening it closes nothing."""
    del token
    return render_template("keys/close_by_link.html")


@pages.post("/close/<token>")
@lock_link()
def lock_by_link(token: str) -> str:
    """Lock the keys, without a sign-in."""
    del token
    return _lock()


def _lock() -> str:
    locking.lock_keys(acting())
    return render_template("closed.html")


class _Tries:
    """Ten tries in ten minutes for each process: shares can't be guessed, but trying costs work."""

    def __init__(self, most: int = 10, within: timedelta = timedelta(minutes=10)) -> None:
        self._most, self._within = most, within
        self._times: deque[datetime] = deque()
        self._lock = threading.Lock()

    def one_more(self) -> bool:
        at = real_now()
        with self._lock:
            while self._times and at - self._times[0] > self._within:
                self._times.popleft()
            self._times.append(at)
            return len(self._times) <= self._most


tries = _Tries()


@pages.get("/open")
@while_closed
def ask_to_open() -> str:
    """Two fields for two shares; nothing else."""
    return render_template("keys/open.html")


@pages.post("/open")
@while_closed
def open_again() -> tuple[str, int]:
    """Open the keys by two shares; whatever is wrong with them looks the same."""
    settings = current_app.extensions["helpline_settings"]
    opened = False
    if tries.one_more():
        shares = request.form.get("first", "")[:200], request.form.get("second", "")[:200]
        try:
            locking.open_keys(settings.keys_path, settings.machine_path, *shares, Channel.PAGE)
            opened = True
        except KeyRingError as error:
            log.info("keys.not_opened", error=type(error).__name__)
    return render_template("keys/open.html", opened=opened, failed=not opened), 200 if opened else 422


@pages.get("/keys")
@guard(Permission.KEYS_ROTATE)
def keys() -> str:
    """How the keys stand; asked by htmx, how far the renewal came."""
    return _keys(fragment="HX-Request" in request.headers)


def _keys(problem: Exception | None = None, *, fragment: bool = False, link: str = "", **_given: object) -> str:
    ctx, rotation, state = acting(), queries.find_latest(), queries.get_state()
    public_url = current_app.extensions["helpline_settings"].public_url.rstrip("/")
    return render_template(
        "keys/state.html" if fragment else "keys/keys.html", form=refused(problem), now=ctx.now,
        it=RotationOut().dump(rotation) if rotation else None,
        retirable=rotation is not None and rotation.retired_at is None and may_retire(rotation.finished_at, ctx.now),
        link=public_url + link if link else "", has_link=state.link_centre_id is not None,
    )  # fmt: skip


@pages.post("/keys/rotation")
@guard(Permission.KEYS_ROTATE, retry=_keys, fresh=True)
def rotate() -> Response:
    """Begin a renewal; the worker does it."""
    rotating.start_rotation(acting())
    return redirect(url_for("keys.keys"), 303)


@pages.post("/keys/rotation/<uuid:rotation_id>/retire")
@guard(Permission.KEYS_ROTATE, retry=_keys, fresh=True)
def retire(rotation_id: uuid.UUID) -> Response:
    """Ask that the older master keys be destroyed."""
    rotating.ask_to_retire(acting(), rotation_id)
    return redirect(url_for("keys.keys"), 303)


@pages.post("/keys/link")
@guard(Permission.KEYS_ROTATE, fresh=True)
def make_link() -> str:
    """Make the prepared link; it is shown this once."""
    return _keys(link=locking.make_link(acting()))


@pages.post("/keys/link/end")
@guard(Permission.KEYS_ROTATE, fresh=True)
def end_link() -> Response:
    """End the prepared link."""
    locking.end_link(acting())
    return redirect(url_for("keys.keys"), 303)

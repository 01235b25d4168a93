"""Asking once more for the second factor before something that matters, losing nothing that was typed.

The page that asks carries what was posted and posts it again, to where it was going, together with the factor: the
guard takes the factor, lets the request through, and gives the browser a new token (`g.renewed`) once all is kept.
Files can't be carried so: a route that takes one isn't fresh.
"""

from flask import Response, g, make_response, render_template, request, url_for

from helpline.foundation.context import Context
from helpline.web.credentials import FactorChoice, FactorState, Presented, SignedIn, ports
from helpline.web.forms import FACTOR_FIELDS, FRAME_FIELDS


def origin() -> str:
    """Where the browser believes to be: `https://helpline.example.org`."""
    return request.host_url.rstrip("/")


def presented() -> Presented | None:
    """What this form brought as a factor, if anything."""
    code, recovery, passkey = (request.form.get(name, "").strip() for name in FACTOR_FIELDS)
    return Presented(code or recovery, passkey) if code or recovery or passkey else None


def ask_again(ctx: Context, who: SignedIn) -> Response | None:
    """None if the form brought the factor; else the page that asks for it, or for setting one up."""
    assert who.session_id is not None  # API tokens never come here
    brought = presented()
    token = ports.present_factor(ctx, who.session_id, brought) if brought is not None else None
    if token is not None:
        g.renewed, g.signed_in = (who.token, token), ports.session(token)
        return None
    has_one = who.factor is FactorState.GIVEN
    choice = ports.factor_choice(ctx, who.session_id, origin()) if has_one else FactorChoice()
    if request.method == "POST":
        action = request.full_path.rstrip("?")
        carried = [(name, value) for name, value in request.form.items(multi=True) if name not in FRAME_FIELDS]
    else:
        action, carried = url_for("accounts.confirm"), [("next", request.full_path.rstrip("?"))]
    page = render_template(
        "step_up.html", has_one=has_one, choice=choice, failed=brought is not None, action=action, carried=carried
    )
    return make_response(page, 403)

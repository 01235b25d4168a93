"""Wires everything: the one place that knows every slice."""

import functools
import hashlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Literal

from flask import Flask, Response
from flask.sessions import SecureCookieSessionInterface
from sqlalchemy.engine import make_url
from werkzeug.middleware.proxy_fix import ProxyFix

from helpline import cli
from helpline.accounts import api as accounts_api
from helpline.accounts.gateways import RedisCounters
from helpline.accounts.pages import approvals as accounts_pages
from helpline.accounts.services import factors, sessions
from helpline.agencies import api as agencies_api
from helpline.agencies import pages as agencies_pages
from helpline.calls import api as calls_api
from helpline.calls import pages as calls_pages
from helpline.cases import api as cases_api
from helpline.cases import pages as cases_pages
from helpline.dashboards import api as dashboards_api
from helpline.dashboards import pages as dashboards_pages
from helpline.desk import pages as desk_pages
from helpline.followups import api as followups_api
from helpline.followups import pages as followups_pages
from helpline.foundation import clock, failpoints
from helpline.foundation.crypto import keyring
from helpline.foundation.crypto.watch import Watch
from helpline.foundation.db import ask_idle_connections, db, sign_transactions
from helpline.foundation.i18n import init_i18n
from helpline.foundation.log import configure_logging
from helpline.foundation.production import refuse_unfit
from helpline.imports import api as imports_api
from helpline.imports.pages import files as imports_pages
from helpline.keys import pages as keys_pages
from helpline.keys.services import locking as key_locking
from helpline.notifications import api as notifications_api
from helpline.notifications import pages as notifications_pages
from helpline.oversight import api as oversight_api
from helpline.oversight import pages as oversight_pages
from helpline.privacy import api as privacy_api
from helpline.privacy import pages as privacy_pages
from helpline.reference import api as reference_api
from helpline.referrals import api as referrals_api
from helpline.referrals import pages as referrals_pages
from helpline.referrals.services import portal as referral_portal
from helpline.registers import api as registers_api
from helpline.registers.pages import books as registers_pages
from helpline.retention import api as retention_api
from helpline.retention import pages as retention_pages
from helpline.retention.gateways import LedgerFile
from helpline.retention.services import port as retention_port
from helpline.search import api as search_api
from helpline.search import pages as search_pages
from helpline.search import services as search_services
from helpline.search.gateways import SocketNames
from helpline.settings import Settings, load_settings
from helpline.web.api import make_api
from helpline.web.closed import init_closed
from helpline.web.credentials import ports
from helpline.web.errors import init_errors
from helpline.web.frame import init_frame
from helpline.web.guard import init_guard, unguarded
from helpline.web.headers import init_headers
from helpline.web.health import health
from helpline.web.words import init_words

PAGES = (
    accounts_pages, agencies_pages, calls_pages, cases_pages, dashboards_pages, desk_pages, followups_pages,
    imports_pages, keys_pages, notifications_pages, oversight_pages, privacy_pages, referrals_pages, registers_pages,
    retention_pages,
    search_pages,
)  # fmt: skip
APIS = (
    accounts_api, agencies_api, calls_api, cases_api, dashboards_api, followups_api, imports_api, notifications_api,
    oversight_api, privacy_api, reference_api, referrals_api, registers_api, retention_api, search_api,
)  # fmt: skip

DatabaseRole = Literal["web", "worker", "owner"]


class _Cookies(SecureCookieSessionInterface):
    """Signed with SHA-256; Flask's own still is SHA-1."""

    digest_method = staticmethod(hashlib.sha256)


def create_app(settings: Settings | None = None, *, database_role: DatabaseRole = "web") -> Flask:
    """The Flask application, connected as `database_role`. Raises SettingsError where it may not start."""
    settings = settings or load_settings()
    configure_logging(settings)
    app = Flask(
        __name__, template_folder="web/templates", static_folder="web/static", static_url_path=f"/static/{_digest()}"
    )
    app.session_interface = _Cookies()
    _configure(app, settings, database_role)
    _connect(app, step_down=database_role == "worker")
    init_i18n(app)
    init_closed(app)
    init_guard(app)
    init_errors(app)
    init_frame(app)
    init_words(app)
    init_headers(app, tls=settings.secure_cookies)
    app.view_functions["static"] = unguarded(_static(app))
    app.register_blueprint(health)
    for module in PAGES:
        app.register_blueprint(module.pages)
    make_api(app, [module.api for module in APIS])
    sessions.install(settings, RedisCounters(settings.redis_url) if settings.redis_url else sessions.NoCounters())
    retention_port.install(LedgerFile(settings.ledger_path), settings.backup_days)
    search_services.install(SocketNames(settings.search_socket_path))
    ports.session = sessions.identify_session
    ports.api_token = sessions.identify_token
    ports.portal_link = referral_portal.identify_link
    ports.lock_link = key_locking.identify_link
    ports.factor_choice = factors.choose_factor
    ports.present_factor = factors.enter
    cli.init_cli(app)
    return app


def serve() -> Flask:
    """The application of a web process: it follows the lock for as long as it runs."""
    app = create_app()
    follow_lock(app, app.extensions["helpline_settings"].database_url)
    return app


def follow_lock(app: Flask, database_url: str) -> Watch:
    """Let this process's keys come and go with the emergency lock; for processes that stay."""
    settings = app.extensions["helpline_settings"]
    watch = Watch(settings.keys_path, settings.machine_path, database_url, lambda: _keys_changed(app))
    watch.start()
    return watch


def _keys_changed(app: Flask) -> None:
    app.config["SECRET_KEY"] = keyring.ring().secret("cookie") if keyring.is_open() else None
    with app.app_context():
        db.engine.dispose()


def open_keys(settings: Settings) -> None:
    """Install the keys, or none while they are locked. Raises KeyRingError, or SettingsError where they don't suit."""
    try:
        ring = keyring.KeyRing.open(settings.keys_path, settings.machine_path)
    except keyring.Closed:
        ring = None
    refuse_unfit(settings, ring)
    keyring.install(ring)


def _configure(app: Flask, settings: Settings, database_role: DatabaseRole) -> None:
    failpoints.use_failpoints_file(settings.failpoints_path if settings.failpoints_path.name else None)
    clock.use_offset_file(settings.clock_offset_path if settings.clock_offset_path.name else None)
    open_keys(settings)
    urls = {"web": settings.database_url, "worker": settings.database_worker_url, "owner": settings.database_owner_url}
    # Browsers take a cookie of such a name over TLS alone, for this host alone: no neighbour can plant one.
    prefix = "__Host-" if settings.secure_cookies else ""
    app.extensions["helpline_settings"] = settings
    app.config.update(
        SECRET_KEY=keyring.ring().secret("cookie") if keyring.is_open() else None,
        SQLALCHEMY_DATABASE_URI=make_url(urls[database_role]).set(drivername="postgresql+psycopg"),
        SQLALCHEMY_ENGINE_OPTIONS={
            "pool_size": settings.database_pool_size,
            "hide_parameters": True,  # an error's text, which development writes to its log, would quote what was typed
        },
        COOKIE_PREFIX=prefix,
        SESSION_COOKIE_NAME=f"{prefix}helpline",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        SESSION_IDLE_SECONDS=settings.session_idle_minutes * 60,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=settings.session_hours),
        WTF_CSRF_CHECK_DEFAULT=False,  # the guard checks, where a cookie is the credential
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session: a form left open overnight must still save
        MAX_CONTENT_LENGTH=settings.upload_limit_bytes,
        MAX_FORM_MEMORY_SIZE=2 * 1024 * 1024,
        MAX_FORM_PARTS=2000,
    )
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]


def _connect(app: Flask, *, step_down: bool) -> None:
    db.init_app(app)
    with app.app_context():
        ask_idle_connections(db.engine)
        sign_transactions(db.engine, step_down=step_down)


@functools.cache
def _digest() -> str:
    """A name for what the static folder holds: kept for ever by browsers, it must change when a file does."""
    folder = Path(__file__).parent / "web" / "static"
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def _static(app: Flask) -> Callable[..., Response]:
    def static(filename: str) -> Response:
        return app.send_static_file(filename)

    return static

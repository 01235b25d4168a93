"""The one frozen description of how this process is to run; the only reader of the environment.

Secrets of the key ring never pass through here: a process opens them itself, by the path named here
(`/proc/<pid>/environ` outlives a popped variable).
"""

# ruff: noqa: RUF009 - _option makes a dataclass field

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

Environment = Literal["development", "test", "production"]
STAFF_ROLES = ("operator", "caseworker", "team_supervisor", "supervisor", "admin", "auditor")
ALWAYS_TWO_FACTORS = ("admin", "supervisor")  # in production
MOST_BACKUP_DAYS = 30  # the rule of the issue: what was erased is gone from backups after so long
ROOT = Path(__file__).resolve().parent.parent
EMBEDDED_ADDRESSES = "addresses.json"  # in HELPLINE_VAR, mode 0600: where `make run` says what it started
SEARCH_SOCKET = "search.sock"  # in HELPLINE_VAR, unless HELPLINE_SEARCH_SOCKET says otherwise
KEYS = "keys.json"  # in HELPLINE_VAR, unless HELPLINE_KEYS_FILE says otherwise


class SettingsError(Exception):
    """The environment does not describe a service that may start; the text says what to change."""


def _option(name: str, default: Any, about: str) -> Any:
    return field(default=default, metadata={"env": name, "about": about})


@dataclass(frozen=True)
class Settings:
    """All settings. Field metadata holds the variable's name and its explanation (`.env.example` is made from it)."""

    env: Environment = _option("HELPLINE_ENV", "development", "development, test or production")
    database_url: str = _option(
        "DATABASE_URL", "", "PostgreSQL 18 for the web process (role helpline_web); empty: the embedded one under var/"
    )
    database_worker_url: str = _option(
        "DATABASE_WORKER_URL", "", "the same database for workers (role helpline_worker)"
    )
    database_relay_url: str = _option("DATABASE_RELAY_URL", "", "the same database for the relay (role helpline_relay)")
    database_search_url: str = _option(
        "DATABASE_SEARCH_URL", "", "the same database for the process that finds names (role helpline_search)"
    )
    database_owner_url: str = _option(
        "DATABASE_OWNER_URL", "", "the same database for migrations only (role helpline_owner)"
    )
    database_admin_url: str = _option(
        "DATABASE_ADMIN_URL", "", "a superuser, for `flask prepare-database` only; unset it afterwards"
    )
    redis_url: str = _option(
        "REDIS_URL", "", "Redis or Valkey, broker and counters; empty: the embedded one under var/"
    )
    database_pool_size: int = _option("DATABASE_POOL_SIZE", 8, "connections a process keeps")
    keys_path: Path = _option(
        "HELPLINE_KEYS_FILE",
        Path(),
        "the key ring's file, mode 0600; made by `flask make-keys`; empty: keys.json in HELPLINE_VAR",
    )
    machine_key_path: Path = _option(
        "HELPLINE_MACHINE_KEY_FILE",
        Path(),
        "this machine's key to the key ring, which the emergency lock destroys; empty: beside it, NAME.machine",
    )
    erasure_ledger_path: Path = _option(
        "HELPLINE_ERASURE_LEDGER",
        Path(),
        "what was erased, ids and times alone, kept apart from the database and its backups; empty: beside the keys,"
        " NAME.erasures",
    )
    backup_days: int = _option(
        "HELPLINE_BACKUP_DAYS",
        30,
        "how long a backup of the database is kept, 30 days at most; told where data is erased",
    )
    search_socket_path: Path = _option(
        "HELPLINE_SEARCH_SOCKET",
        Path(),
        "where the process that finds names listens, a socket of mode 0600; empty: search.sock in HELPLINE_VAR",
    )
    public_url: str = _option("HELPLINE_PUBLIC_URL", "http://127.0.0.1:8080", "the address people open; used in links")
    port: int = _option("PORT", 8080, "where the web process listens")
    host: str = _option("HOST", "127.0.0.1", "the address the web process binds to")
    web_workers: int = _option("WEB_WORKERS", 2, "web processes")
    trusted_proxies: int = _option("TRUSTED_PROXIES", 0, "how many reverse proxies stand in front")
    secure_cookies: bool = _option("SECURE_COOKIES", False, "cookies over TLS only; must be true in production")
    smtp_host: str = _option("SMTP_HOST", "", "mail server; empty: mail is kept as not sent, and said so")
    smtp_port: int = _option("SMTP_PORT", 25, "its port")
    smtp_starttls: bool = _option("SMTP_STARTTLS", False, "upgrade the connection by STARTTLS")
    smtp_user: str = _option("SMTP_USER", "", "user name at the mail server")
    smtp_password_path: Path = _option("SMTP_PASSWORD_FILE", Path(), "file with that user's password")
    mail_from: str = _option("MAIL_FROM", "Helpline <helpline@localhost>", "sender of every message")
    embedded_path: Path = _option("HELPLINE_VAR", ROOT / "var", "where embedded servers, keys and logs live")
    clock_offset_path: Path = _option(
        "HELPLINE_CLOCK_OFFSET_FILE", Path(), "tests only: a file with seconds to add to the clock"
    )
    failpoints_path: Path = _option(
        "HELPLINE_FAILPOINTS_FILE", Path(), "tests only: a file of names of points at which a process kills itself"
    )
    log_level: str = _option("LOG_LEVEL", "INFO", "DEBUG, INFO, WARNING or ERROR")
    demo: bool = _option("HELPLINE_DEMO", False, "demo accounts may sign in; refused in production")
    session_idle_minutes: int = _option("SESSION_IDLE_MINUTES", 15, "the page locks after so long without a touch")
    session_hours: int = _option("SESSION_HOURS", 12, "a session ends after so long, whatever is done in it")
    second_factor_roles: str = _option(
        "HELPLINE_SECOND_FACTOR_ROLES",
        "",
        "roles that must have a second factor, such as admin,supervisor; empty: all in production, elsewhere nobody",
    )
    factor_reset_hours: int = _option(
        "HELPLINE_FACTOR_RESET_HOURS", 24, "how long a lost second factor waits when two people agreed to take it away"
    )
    upload_limit_bytes: int = _option("UPLOAD_LIMIT_BYTES", 64 * 1024 * 1024, "largest request body")
    audit_witness_path: Path = _option(
        "AUDIT_WITNESS_FILE",
        Path(),
        "a file outside this machine (a share, a device) that keeps the audit's checkpoints",
    )
    audit_witness_url: str = _option(
        "AUDIT_WITNESS_URL", "", "an address to which checkpoints are posted (http or https)"
    )
    audit_witness_mail: str = _option(
        "AUDIT_WITNESS_MAIL", "", "an address to which the newest checkpoint is mailed hourly"
    )
    audit_witness_minutes: int = _option(
        "AUDIT_WITNESS_MINUTES", 10, "auditors are alarmed when no witness was reached for so long"
    )
    embedded: bool = field(default=False)  # the addresses are those of the embedded servers; no variable sets this

    @property
    def machine_path(self) -> Path | None:
        """Where the machine key is; None: beside the key ring's file."""
        return self.machine_key_path if self.machine_key_path.name else None

    @property
    def ledger_path(self) -> Path:
        """Where the ledger of erasures is."""
        beside = self.keys_path.with_name(f"{self.keys_path.name}.erasures")
        return self.erasure_ledger_path if self.erasure_ledger_path.name else beside

    @property
    def production(self) -> bool:
        return self.env == "production"

    @property
    def factor_roles(self) -> frozenset[str]:
        """The roles that must have a second factor."""
        named = {role.strip() for role in self.second_factor_roles.split(",")} - {""}
        return frozenset(named or (STAFF_ROLES if self.production else ()))


def _convert(kind: Any, name: str, text: str) -> Any:
    if kind is bool:
        if text.lower() in {"1", "true", "yes", "on"}:
            return True
        if text.lower() in {"0", "false", "no", "off", ""}:
            return False
        raise SettingsError(f"{name} must be true or false, not {text!r}")
    if kind is int:
        if not text.strip().isdigit():
            raise SettingsError(f"{name} must be a whole number, not {text!r}")
        return int(text)
    if kind is Path:
        return Path(text) if text else Path()
    if get_args(kind) and text not in get_args(kind):
        raise SettingsError(f"{name} must be one of {', '.join(get_args(kind))}, not {text!r}")
    return text


EXAMPLE_HEAD = """\
# Every setting, as it is when left out. Copy to .env and change what differs; the environment wins over .env.
# The address of a server (DATABASE_..., REDIS_URL) may stand in a file instead: <NAME>_FILE=/path.
"""


def example() -> str:
    """The text of `.env.example`: every variable, explained, with what it is when left out."""
    entries = []
    for option in fields(Settings):
        if option.metadata:
            default = str(option.default).lower() if isinstance(option.default, bool) else str(option.default)
            shown = "" if option.default == Path() else default.removeprefix(f"{ROOT}/")
            entries.append(f"\n# {option.metadata['about']}\n#{option.metadata['env']}={shown}\n")
    return EXAMPLE_HEAD + "".join(entries)


def _dotenv(path: Path) -> dict[str, str]:
    """NAME=value lines of a file beside the project, if there is one; comments and blank lines are skipped."""
    lines = path.read_text().splitlines() if path.exists() else []
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, value in pairs}


def _texts(source: Mapping[str, str]) -> dict[str, str]:
    """Every variable that says something; an address may stand in a file named by `<NAME>_FILE`."""
    texts = {}
    for name in (option.metadata["env"] for option in fields(Settings) if option.metadata):
        named = source.get(f"{name}_FILE", "") if name.startswith(("DATABASE_", "REDIS_")) else ""
        if source.get(name):
            texts[name] = source[name]
        elif named:
            try:
                texts[name] = Path(named).read_text().strip()
            except OSError as error:
                raise SettingsError(f"{name}_FILE names {named}, which can't be read ({error.strerror})") from error
    return texts


def _embedded_addresses(var: Path) -> dict[str, str]:
    try:
        known: dict[str, str] = json.loads((var / EMBEDDED_ADDRESSES).read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"{var / EMBEDDED_ADDRESSES} can't be read ({error}); start make run again") from error
    return known


def child_environment(**more: str) -> dict[str, str]:
    """What a child process gets: our own environment and `more`."""
    return {**os.environ, **more}


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment (and `.env` below it) once. Raises SettingsError with one sentence a reader can act on.

    Without addresses of servers they are those of the embedded ones, if these are running.
    """
    texts = _texts({**_dotenv(ROOT / ".env"), **os.environ} if environ is None else environ)
    var = Path(texts.get("HELPLINE_VAR") or Settings.embedded_path)
    external = "DATABASE_URL" in texts or "REDIS_URL" in texts
    addresses = {} if external else _embedded_addresses(var)
    places = {"HELPLINE_KEYS_FILE": str(var / KEYS), "HELPLINE_SEARCH_SOCKET": str(var / SEARCH_SOCKET)}
    texts = {**places, **addresses, **texts}
    values = {
        option.name: _convert(option.type, option.metadata["env"], texts[option.metadata["env"]])
        for option in fields(Settings)
        if option.metadata and option.metadata["env"] in texts
    }
    settings = Settings(**values, embedded=bool(addresses))
    if settings.audit_witness_url and not settings.audit_witness_url.startswith(("https://", "http://")):
        raise SettingsError("AUDIT_WITNESS_URL must begin with https:// or http://")
    if not settings.factor_reset_hours:
        raise SettingsError("HELPLINE_FACTOR_RESET_HOURS must be 1 or more")
    if not 1 <= settings.backup_days <= MOST_BACKUP_DAYS:
        raise SettingsError(f"HELPLINE_BACKUP_DAYS must be 1 to {MOST_BACKUP_DAYS}: no backup may be kept longer")
    if not settings.factor_roles <= set(STAFF_ROLES):
        raise SettingsError(
            f"HELPLINE_SECOND_FACTOR_ROLES must name roles out of {', '.join(STAFF_ROLES)},"
            f" not {settings.second_factor_roles!r}"
        )
    if settings.production:
        _refuse_in_production(settings)
    return settings


def _refuse_in_production(settings: Settings) -> None:
    """What only suits a laptop or a test. `foundation/production.py` adds what a look at keys and database shows."""
    unfit = {
        "needs servers of its own: set DATABASE_URL and REDIS_URL": settings.embedded
        or not (settings.database_url and settings.redis_url),
        "refuses demo accounts: leave HELPLINE_DEMO out": settings.demo,
        "refuses cookies without TLS: set SECURE_COOKIES=true": not settings.secure_cookies,
        "refuses links without TLS: HELPLINE_PUBLIC_URL must begin with https://": not settings.public_url.startswith(
            "https://"
        ),
        "refuses a clock that is moved: leave HELPLINE_CLOCK_OFFSET_FILE out": settings.clock_offset_path != Path(),
        "needs a second factor of admin and supervisor: name them in HELPLINE_SECOND_FACTOR_ROLES, or leave it out": (
            not settings.factor_roles >= set(ALWAYS_TWO_FACTORS)
        ),
        "refuses failpoints: leave HELPLINE_FAILPOINTS_FILE out": settings.failpoints_path != Path(),
    }
    for sentence, applies in unfit.items():
        if applies:
            raise SettingsError(f"HELPLINE_ENV=production {sentence}")

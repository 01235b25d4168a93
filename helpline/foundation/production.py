"""What a service that serves people refuses to start with, beyond what the settings alone can tell."""

import psycopg

from helpline.foundation.crypto.keyring import KeyRing
from helpline.settings import Settings, SettingsError


def refuse_unfit(settings: Settings, ring: KeyRing | None) -> None:
    """In production, refuse keys that were made unasked or have no holders, and logins that row security doesn't bind.

    `ring` is None while the keys are locked. Raises SettingsError. Elsewhere it looks at nothing.
    """
    if not settings.production:
        return
    if ring is not None:
        _refuse_unfit_keys(settings, ring)
    for url in filter(None, (settings.database_url, settings.database_worker_url, settings.database_relay_url)):
        _refuse_mighty_login(url)


def _refuse_unfit_keys(settings: Settings, ring: KeyRing) -> None:
    if ring.generated:
        raise SettingsError(
            f"HELPLINE_ENV=production refuses generated keys: make your own with make-keys, not {settings.keys_path}"
        )
    if not ring.has_holders:
        raise SettingsError(
            "HELPLINE_ENV=production refuses keys without holders, since an emergency lock could not be opened again: "
            "make their shares with make-key-shares"
        )
    for url in filter(None, _logins(settings)):
        _refuse_mighty_login(url)


def _logins(settings: Settings) -> tuple[str, ...]:
    return (
        settings.database_url,
        settings.database_worker_url,
        settings.database_relay_url,
        settings.database_search_url,
    )


def _refuse_mighty_login(url: str) -> None:
    query = "SELECT rolname, rolsuper OR rolbypassrls OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            row = connection.execute(query).fetchone()
    except psycopg.OperationalError as error:
        raise SettingsError("The database can't be reached, so its logins can't be checked") from error
    if row is None or row[1]:
        raise SettingsError(
            f"HELPLINE_ENV=production refuses the login {row[0] if row else ''}: row security does not bind it. "
            "Use the plain roles that prepare-database makes"
        )

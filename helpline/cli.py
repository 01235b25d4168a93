"""`flask` commands; each calls one service.

`python -m helpline.cli` knows them all and, unlike `flask`, also the ones that run before there are keys or a
database: make-keys, prepare-database and prepare.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, TextIO

import click
from flask import Flask
from flask.cli import FlaskGroup, ScriptInfo
from flask_migrate import Migrate, upgrade

from helpline.accounts.commands import InviteUser
from helpline.accounts.queries import find_centre_by_code
from helpline.accounts.rules import INVITATION_DAYS
from helpline.accounts.services.house import open_centre
from helpline.accounts.services.passwords import link_path
from helpline.accounts.services.staff import invite_user
from helpline.accounts.vocabulary import LinkPurpose
from helpline.demo.services import ACCOUNTS, load_demo
from helpline.foundation.access.permissions import Role, SystemActor
from helpline.foundation.context import Channel, system_context
from helpline.foundation.crypto.keyring import KeyRingError, make_keys
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.errors import Conflict, Forbidden, HelplineError, Invalid, NotFound
from helpline.foundation.ids import new_id
from helpline.foundation.provision import install_context_key, prepare_database
from helpline.foundation.tabular.rejects import write_rejects, write_unknown
from helpline.foundation.tabular.table import MAX_HEADER_ROW, Options, Rejected, spelled_delimiter
from helpline.imports.commands import ImportFile
from helpline.imports.services.running import import_file
from helpline.imports.vocabulary import Found
from helpline.reference.services import load_reference
from helpline.settings import ROOT, Settings, SettingsError, load_settings

# By name, since the application stands above its commands.
OWNER_APP = "helpline.app:create_app(database_role='owner')"
WORKER_APP = "helpline.app:create_app(database_role='worker')"


def init_cli(app: Flask) -> None:
    """Give the application its commands."""
    Migrate(app, db, directory=str(ROOT / "migrations"))
    app.cli.add_command(import_calls)


@click.group(cls=FlaskGroup, context_settings={"obj": ScriptInfo(app_import_path="helpline.app")})
def main() -> None:
    """Run the helpline's commands."""


def _settings() -> Settings:
    try:
        return load_settings()
    except SettingsError as error:
        raise click.ClickException(str(error)) from error


@main.command("prepare-database", with_appcontext=False)
def prepare_database_command() -> None:
    """Make roles and database on the server of DATABASE_ADMIN_URL; repeating it changes nothing."""
    _prepare_database(_settings())


def _prepare_database(settings: Settings) -> None:
    if not settings.database_admin_url:
        raise click.ClickException("Set DATABASE_ADMIN_URL to a superuser's address, for this command only.")
    try:
        prepare_database(
            settings.database_admin_url,
            settings.database_owner_url,
            settings.database_url,
            settings.database_worker_url,
            settings.database_relay_url,
        )
    except SettingsError as error:
        raise click.ClickException(str(error)) from error


@main.command("make-keys", with_appcontext=False)
def make_keys_command() -> None:
    """Make the key ring at HELPLINE_KEYS_FILE; never touches one that exists."""
    _make_keys(_settings(), generated=False)


def _make_keys(settings: Settings, *, generated: bool) -> None:
    try:
        make_keys(settings.keys_path, generated=generated)
    except KeyRingError as error:
        raise click.ClickException(str(error)) from error


@main.command(with_appcontext=False)
def prepare() -> None:
    """Everything before the service may start, in one process: roles, keys, migrations, reference data, demo."""
    settings = _settings()
    if settings.database_admin_url:
        _prepare_database(settings)
    if not settings.keys_path.exists() and not settings.production:
        _make_keys(settings, generated=True)
    with _as_owner():
        upgrade()
        install_context_key(settings.database_owner_url)
        _load_reference()
        if settings.demo and not settings.production:
            load_demo(settings.embedded_path / ACCOUNTS)


@contextmanager
def _as_owner() -> Iterator[None]:
    """The application, connected as the owner of the tables, while the block runs."""
    with ScriptInfo(app_import_path=OWNER_APP).load_app().app_context():
        try:
            yield
        finally:
            db.engine.dispose()


def _load_reference() -> None:
    with unit_of_work(system_context(SystemActor.KEEPER, channel=Channel.CLI)) as ctx:
        counts = load_reference(ctx)
    if counts:
        click.echo("Reference data: " + ", ".join(f"{count} {kind}" for kind, count in counts.items()) + ".")


@main.command("load-reference", with_appcontext=False)
def load_reference_command() -> None:
    """Bring places, reasons and holidays up to date with the files that ship; needs DATABASE_OWNER_URL."""
    with _as_owner():
        _load_reference()


@main.command("create-admin", with_appcontext=False)
@click.option("--centre", "code", required=True, help="The centre's code, as its case numbers begin; made if new.")
@click.option("--centre-name", default="", help="For a new centre: its name.")
@click.option("--country", default="", help="For a new centre: KH, AR, …; its time zone and languages follow.")
@click.option("--name", required=True, help="The administrator's name.")
@click.option("--email", required=True, help="The administrator's address; it is also their login.")
def create_admin(code: str, centre_name: str, country: str, name: str, email: str) -> None:
    """Invite an administrator, and make their centre if there is none: the way into a new installation.

    Prints the link at which they choose their password; needs DATABASE_OWNER_URL.
    """
    with _as_owner():
        try:
            with unit_of_work(system_context(SystemActor.KEEPER, channel=Channel.CLI)) as ctx:
                known = find_centre_by_code(code)
                centre = known or open_centre(ctx, new_id(), country.upper(), code, centre_name)
                command = InviteUser(new_id(), name, email, email, Role.ADMIN, centre.languages[0], centre_id=centre.id)
                event = invite_user(ctx, command)
        except (HelplineError, ValueError) as problem:
            raise click.ClickException(_say(problem) if isinstance(problem, HelplineError) else str(problem)) from None
    path = link_path(LinkPurpose.INVITATION, event.user_id, event.version, event.expires_at)
    click.echo(
        f"{name} chooses a password here, within {INVITATION_DAYS} days:\n{_settings().public_url.rstrip('/')}{path}"
    )


@main.command("import-calls", with_appcontext=False)
@click.argument("file", type=click.File("rb"))
@click.option("--centre", "centre_code", required=True, help="The centre's code, as its case numbers begin.")
@click.option("--as", "login", required=True, help="The login of whoever imports; must hold the permission.")
@click.option("--mapping", "mapping_name", help="A mapping's name; without it, the one whose columns fit.")
@click.option("--dry-run", is_flag=True, help="Check and report; import nothing.")
@click.option("--rejects", type=click.File("w", encoding="utf-8-sig", lazy=True), help="Where to write the rejects.")
@click.option("--unknown", type=click.File("w", encoding="utf-8-sig", lazy=True), help="And what was not understood.")
@click.option("--encoding", help="The file's encoding, where it can't be told: utf-8, cp1252, gb18030…")
@click.option("--delimiter", help="What stands between its cells: a character, or tab.")
@click.option("--sheet", help="The sheet of a workbook; without it, the first.")
@click.option("--header-row", type=click.IntRange(1, MAX_HEADER_ROW), default=1, help="Which row holds the headers.")
def import_calls(
    file: BinaryIO, centre_code: str, login: str, mapping_name: str | None, *, dry_run: bool, rejects: TextIO | None,
    unknown: TextIO | None, encoding: str | None, delimiter: str | None, sheet: str | None, header_row: int,
) -> None:  # fmt: skip
    """Bring an old call log (CSV or XLSX) into a centre."""
    worker = ScriptInfo(app_import_path=WORKER_APP).load_app()
    with worker.app_context(), click.progressbar(length=1, label="Reading") as bar:

        def progress(done: int, total: int) -> None:
            bar.length = max(total, 1)
            bar.pos = done
            bar.update(0)

        def take(kind: Found, items: Iterator[list[Any]]) -> None:
            if kind is Found.REJECTS and rejects is not None:
                write_rejects(rejects, (Rejected(*item) for item in items))
            if kind is Found.UNKNOWN and unknown is not None:
                write_unknown(unknown, items)

        try:
            options = Options(encoding, spelled_delimiter(delimiter), sheet, header_row)
            command = ImportFile(centre_code, login, file.name, file, mapping_name, dry_run, options)
            outcome = import_file(command, progress, take)
        except (Invalid, Forbidden, NotFound, Conflict) as problem:
            raise click.ClickException(_say(problem)) from problem
        finally:
            db.engine.dispose()
    for sentence in outcome.sentences():
        click.echo(sentence)
    if outcome.error_code:
        sys.exit(1)


def _say(problem: HelplineError) -> str:
    details = ", ".join(f"{name} {value}" for name, value in problem.details.items())
    return f"{problem.code.replace('_', ' ')}{f' ({details})' if details else ''}"


if __name__ == "__main__":
    main()

"""`flask` commands; each calls one service.

`python -m helpline.cli` knows them all and, unlike `flask`, also the ones that run before there are keys or a
database: make-keys, prepare-database and prepare.
"""

import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import click
from flask import Flask
from flask.cli import FlaskGroup, ScriptInfo
from flask_migrate import Migrate, upgrade
from sqlalchemy.exc import SQLAlchemyError

from helpline.accounts.commands import InviteUser
from helpline.accounts.queries import find_centre_by_code, find_login
from helpline.accounts.rules import INVITATION_DAYS
from helpline.accounts.services.factors import remove_factors
from helpline.accounts.services.house import open_centre
from helpline.accounts.services.passwords import link_path
from helpline.accounts.services.staff import invite_user
from helpline.accounts.vocabulary import LinkPurpose
from helpline.demo.services import ACCOUNTS, load_demo
from helpline.foundation.access.permissions import Role, SystemActor
from helpline.foundation.context import Channel, Context, system_context
from helpline.foundation.crypto import keyring
from helpline.foundation.crypto.keyfile import destroy_machine, machine_beside
from helpline.foundation.crypto.keyring import KeyRing, KeyRingError, make_keys
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.errors import Conflict, Forbidden, HelplineError, Invalid, NotFound
from helpline.foundation.ids import new_id
from helpline.foundation.provision import install_context_key, prepare_database
from helpline.foundation.tabular.rejects import write_rejects, write_unknown
from helpline.foundation.tabular.table import MAX_HEADER_ROW, Options, Rejected, spelled_delimiter
from helpline.imports.commands import ImportFile
from helpline.imports.services.running import Progress, import_file, run_next
from helpline.imports.vocabulary import Found
from helpline.keys.models import KeyRotation
from helpline.keys.queries import find_open, get_rotation
from helpline.keys.services import rotating
from helpline.keys.services.locking import lock_keys, open_keys
from helpline.oversight.gateways import read_witness_file
from helpline.oversight.services import verifying
from helpline.reference.services import load_reference
from helpline.retention.services import ledger
from helpline.settings import ROOT, Settings, SettingsError, load_settings

# By name, since the application stands above its commands.
OWNER_APP = "helpline.app:create_app(database_role='owner')"
WORKER_APP = "helpline.app:create_app(database_role='worker')"


def init_cli(app: Flask) -> None:
    """Give the application its commands."""
    Migrate(app, db, directory=str(ROOT / "migrations"))
    ours = (
        import_calls, verify_audit, create_admin, load_reference_command, make_key_shares, lock_keys_command,
        open_keys_command, rotate_keys, remove_factors_command, replay_erasures, compare_erasures,
    )  # fmt: skip
    for command in ours:
        app.cli.add_command(command)


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
            settings.database_search_url,
        )
    except SettingsError as error:
        raise click.ClickException(str(error)) from error


@main.command("make-keys", with_appcontext=False)
@click.option("--holders", default=0, help="Also make shares for so many key holders.")
def make_keys_command(holders: int) -> None:
    """Make the key ring at HELPLINE_KEYS_FILE; never touches one that exists."""
    _print_shares(_make_keys(_settings(), generated=False, holders=holders))


def _make_keys(settings: Settings, *, generated: bool, holders: int = 0) -> list[str]:
    with _saying_what_to_do():
        return make_keys(settings.keys_path, generated=generated, machine=settings.machine_path, holders=holders)


@contextmanager
def _saying_what_to_do() -> Iterator[None]:
    try:
        yield
    except KeyRingError as error:
        raise click.ClickException(str(error)) from error


@main.command("make-key-shares", with_appcontext=False)
@click.option("--holders", required=True, type=int, help="How many key holders; any two of them open the keys.")
def make_key_shares(holders: int) -> None:
    """Print a share for each key holder, this once; shares made before open this key file no more."""
    settings = _settings()
    with _saying_what_to_do():
        codes = KeyRing.open(settings.keys_path, settings.machine_path).make_shares(holders)
    _print_shares(codes)


def _print_shares(codes: list[str]) -> None:
    if codes:
        click.echo("One share for each key holder. They are shown this once and kept nowhere:")
    for number, code in enumerate(codes, 1):
        click.echo(f"  {number}  {code}")


@main.command("lock-keys", with_appcontext=False)
def lock_keys_command() -> None:
    """Lock the keys now: this machine's key is destroyed, whether or not the database can be told."""
    settings = _settings()
    app = ScriptInfo(app_import_path="helpline.app").load_app()
    told = keyring.is_open()
    try:
        with app.app_context(), unit_of_work(system_context(SystemActor.KEEPER, channel=Channel.CLI)) as ctx:
            lock_keys(ctx)
    except (KeyRingError, SQLAlchemyError):
        told = False
    finally:
        destroy_machine(settings.machine_path or machine_beside(settings.keys_path))
    click.echo(
        "Locked." if told else "This machine's key is destroyed. The database could not be told: lock others too."
    )


@main.command("open-keys", with_appcontext=False)
def open_keys_command() -> None:
    """Open the keys again: two key holders each type their share, which is not shown."""
    settings = _settings()
    app = ScriptInfo(app_import_path="helpline.app").load_app()
    first, second = (click.prompt(f"{which} share", hide_input=True) for which in ("First", "Second"))
    with app.app_context(), _saying_what_to_do():
        open_keys(settings.keys_path, settings.machine_path, first, second, Channel.CLI)
    click.echo("Open. Every process takes the keys up within ten seconds.")


@main.command("rotate-keys", with_appcontext=False)
def rotate_keys() -> None:
    """Make a new master key and wrap every record's key under it; goes on with what was begun."""
    worker = ScriptInfo(app_import_path=WORKER_APP).load_app()
    with worker.app_context(), _saying_what_to_do(), click.progressbar(length=1, label="Renewing") as bar:
        rotation = _begin_or_continue()
        while rotation.finished_at is None:
            if not rotating.step():
                time.sleep(1)  # a worker has this batch
            with unit_of_work(system_context(SystemActor.KEEPER, channel=Channel.CLI)):
                rotation = get_rotation(rotation.id)
            bar.length, bar.pos = max(rotation.total, 1), min(rotation.done, rotation.total)
            bar.update(0)
    click.echo(
        f"{rotation.total - rotation.unread} records have their keys under master key {rotation.master_version}."
    )


def _begin_or_continue() -> KeyRotation:
    with unit_of_work(system_context(SystemActor.KEEPER, channel=Channel.CLI)) as ctx:
        return find_open() or rotating.start_rotation(ctx)


@main.command(with_appcontext=False)
def prepare() -> None:
    """Everything before the service may start, in one process: roles, keys, migrations, reference data, demo."""
    settings = _settings()
    if settings.database_admin_url:
        _prepare_database(settings)
    if not settings.keys_path.exists() and not settings.production:
        _make_keys(settings, generated=True)
    with _application():
        upgrade()
        if not keyring.is_open():
            click.echo("The keys are locked: what needs them waits. Two key holders open them with open-keys.")
            return
        install_context_key(settings.database_owner_url)
        click.echo(ledger.said_of_replay(*ledger.replay()), nl=False)
        _load_reference()
        if settings.demo and not settings.production:
            load_demo(settings.embedded_path / ACCOUNTS)


@contextmanager
def _application(name: str = OWNER_APP) -> Iterator[None]:
    """The application, connected as the owner of the tables or as a worker, while the block runs."""
    with ScriptInfo(app_import_path=name).load_app().app_context():
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
    with _application():
        _load_reference()


@main.command("replay-erasures", with_appcontext=False)
def replay_erasures() -> None:
    """Erase again, after a restore, what the ledger says; `prepare` does so too. Needs DATABASE_OWNER_URL."""
    with _application():
        click.echo(ledger.said_of_replay(*ledger.replay()), nl=False)


@main.command("compare-erasures", with_appcontext=False)
def compare_erasures() -> None:
    """Say whether the ledger of erasures and the database tell the same; ends with 1 otherwise."""
    with _application(WORKER_APP):
        state = ledger.compare()
    click.echo("\n".join(ledger.sentences(state)))
    raise SystemExit(0 if state.whole else 1)


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
    with _application():
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


@main.command("remove-factors", with_appcontext=False)
@click.option("--login", required=True, help="Whose: their user name.")
def remove_factors_command(login: str) -> None:
    """Take a lost second factor, and its recovery codes, away from somebody: be sure that it is they who ask.

    Every session of theirs ends, and they are told by mail. Needs DATABASE_OWNER_URL.
    """
    with _application():
        try:
            with unit_of_work(system_context(SystemActor.KEEPER, channel=Channel.CLI)) as ctx:
                user = find_login(login)
                if user is None:
                    raise NotFound("user")
                remove_factors(ctx, user.id)
        except HelplineError as problem:
            raise click.ClickException(_say(problem)) from None
    click.echo(f"{login} signs in by password alone now, and sets up another factor where their role needs one.")


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
    web, worker = (ScriptInfo(app_import_path=path).load_app() for path in ("helpline.app", WORKER_APP))
    with web.app_context(), click.progressbar(length=1, label="Reading") as bar:

        def run(import_id: uuid.UUID, progress: Progress) -> None:
            with worker.app_context():
                run_next(import_id, progress)

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
            outcome = import_file(command, progress, take, run)
        except (Invalid, Forbidden, NotFound, Conflict) as problem:
            raise click.ClickException(_say(problem)) from problem
        finally:
            db.engine.dispose()
            with worker.app_context():
                db.engine.dispose()
    for sentence in outcome.sentences():
        click.echo(sentence)
    if outcome.error_code:
        sys.exit(1)


@main.command("verify-audit", with_appcontext=False)
@click.option("--witness", type=click.Path(path_type=Path), help="The file that a witness kept.")
@click.option("--entry", "entry_id", type=click.UUID, help="Prove that this entry stands under the last checkpoint.")
def verify_audit(witness: Path | None, entry_id: uuid.UUID | None) -> None:
    """Prove that nothing in the audit was edited, removed, reordered, inserted or forked; ends with 1 otherwise."""
    with _application(WORKER_APP):
        try:
            wrong = _prove(entry_id) if entry_id else _verify(witness)
        except (Invalid, NotFound, OSError) as problem:
            raise click.ClickException(_say(problem) if isinstance(problem, HelplineError) else str(problem)) from None
    raise SystemExit(wrong)


def _verify(witness: Path | None) -> int:
    texts, torn = read_witness_file(witness) if witness else ((), False)
    if torn:
        click.echo("The witness's last line is cut short and left out.")
    with _notary() as ctx:
        state = verifying.begin(ctx, verifying.read_witness(texts))
    while not state.over:
        with _notary() as ctx:
            verifying.verify_part(ctx, state)
    for sentence in verifying.sentences(state):
        click.echo(sentence)
    return 1 if state.finding else 0


def _prove(entry_id: uuid.UUID) -> int:
    with _notary() as ctx:
        place, checkpoint, proof, leads = verifying.prove_inclusion(ctx, entry_id)
    click.echo(
        f"Entry {entry_id} has place {place} of {checkpoint.size}; checkpoint {checkpoint.number}, {checkpoint.at}."
    )
    for node in proof:
        click.echo(f"  {node}")
    click.echo(
        "It is in the audit: this leads to the root that was signed." if leads else "It does NOT lead to the root."
    )
    return 0 if leads else 1


def _notary() -> AbstractContextManager[Context]:
    return unit_of_work(system_context(SystemActor.NOTARY, channel=Channel.CLI))


def _say(problem: HelplineError) -> str:
    details = ", ".join(f"{name} {value}" for name, value in problem.details.items())
    return f"{problem.code.replace('_', ' ')}{f' ({details})' if details else ''}"


if __name__ == "__main__":
    main()

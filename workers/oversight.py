"""The audit's hash tree and its witnesses; unusual reading."""

from collections.abc import Mapping, Sequence

from flask import current_app, render_template

from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.audit.proof import Witnessed
from helpline.foundation.context import system_context
from helpline.foundation.db import unit_of_work
from helpline.foundation.errors import Invalid
from helpline.foundation.failpoints import failpoint
from helpline.foundation.i18n import LANGUAGES, speaking
from helpline.foundation.log import get_logger
from helpline.notifications.gateways import SmtpGateway
from helpline.oversight.commands import Line
from helpline.oversight.gateways import (
    FileWitness,
    MailWitness,
    NotGiven,
    WebhookWitness,
    WitnessGateway,
    read_witness_file,
)
from helpline.oversight.services import notary, verifying, watching, witnessing
from helpline.oversight.vocabulary import Witness
from helpline.settings import Settings
from workers.task import job

log = get_logger(__name__)
ROUNDS = 100  # hand-overs or batches a call: the next call goes on
VERIFY = {"soft_time_limit": 1500, "time_limit": 1600}  # < the broker's visibility timeout


@job("oversight.seal_entries")
def seal_entries() -> None:
    """Give what waits its place, and sign: a checkpoint a batch."""
    for _ in range(ROUNDS):
        with unit_of_work(system_context(SystemActor.NOTARY)) as ctx:
            sealed = notary.seal_entries(ctx)
            failpoint("oversight.seal.before_commit")
        if sealed < notary.BATCH:
            break


def witnesses(settings: Settings) -> dict[Witness, WitnessGateway]:
    """The way to each witness that the settings name; to none by mail while no mail server is set."""
    named = witnessing.configured(settings)
    found: dict[Witness, WitnessGateway] = {}
    if Witness.FILE in named:
        found[Witness.FILE] = FileWitness(settings.audit_witness_path)
    if Witness.WEBHOOK in named:
        found[Witness.WEBHOOK] = WebhookWitness(settings.audit_witness_url)
    if Witness.MAIL in named and settings.smtp_host:
        with speaking(LANGUAGES[0]):
            subject, _, text = render_template("messages/checkpoint.txt").strip().partition("\n")
        found[Witness.MAIL] = MailWitness(SmtpGateway(settings), settings.audit_witness_mail, subject, text.strip())
    return found


@job("oversight.give_checkpoints")
def give_checkpoints() -> None:
    """Hand every witness what it lacks; alarm when none has been reached in time."""
    settings: Settings = current_app.extensions["helpline_settings"]
    for witness, gateway in witnesses(settings).items():
        for _ in range(ROUNDS):
            if not give_next(witness, gateway):
                break
    with unit_of_work(system_context(SystemActor.NOTARY)) as ctx:
        late = witnessing.alarm_late(ctx, settings)
    if late:
        log.error("audit.witness_late")


def give_next(witness: Witness, gateway: WitnessGateway) -> bool:
    """Claim, give, record; whether there may be more to give."""
    with unit_of_work(system_context(SystemActor.NOTARY)) as ctx:
        lines: Sequence[Line] = witnessing.claim(ctx, witness)
    if not lines:
        return False
    failpoint("oversight.after_claim")
    try:
        gateway.give(lines)
    except NotGiven as problem:
        log.warning("audit.not_given", kind=witness.value, code=problem.code)
        with unit_of_work(system_context(SystemActor.NOTARY)) as ctx:
            witnessing.record_failed(ctx, witness, problem.code)
        return False
    failpoint("oversight.after_give")
    with unit_of_work(system_context(SystemActor.NOTARY)) as ctx:
        witnessing.record_given(ctx, witness, lines[-1].number)
    return True


@job("oversight.watch_reading")
def watch_reading() -> None:
    """Look through what was sealed since the last time for unusual reading."""
    for _ in range(ROUNDS):
        with unit_of_work(system_context(SystemActor.WATCHER)) as ctx:
            passed = watching.watch(ctx)
        if passed < watching.BATCH:
            break


@job("oversight.verify_audit", **VERIFY)
def verify_audit() -> None:
    """Every few hours, prove that the audit is whole; alarm when it is not."""
    settings: Settings = current_app.extensions["helpline_settings"]
    with unit_of_work(system_context(SystemActor.NOTARY)) as ctx:
        if not verifying.is_due(ctx):
            return
        state = verifying.begin(ctx, _held(settings))
    while not state.over:
        with unit_of_work(system_context(SystemActor.NOTARY)) as ctx:
            verifying.verify_part(ctx, state)
            if state.finding:
                verifying.alarm_broken(ctx, state)
    if state.finding:
        log.error("audit.broken", kind=state.finding.what.value)


def _held(settings: Settings) -> Mapping[int, Witnessed]:
    """What the witness's file holds, where there is one and it can be read from here."""
    if not settings.audit_witness_path.name:
        return {}
    try:
        return verifying.read_witness(read_witness_file(settings.audit_witness_path)[0])
    except (OSError, Invalid) as problem:
        log.warning("audit.witness_unreadable", error=type(problem).__name__)
        return {}

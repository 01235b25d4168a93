"""Four weeks in the life of the demo helpline, told through the services that people use, with the clock set back.

Runs with the owner's login, as set-up does: it writes for many people in one unit of work. Events are carried out
here at their own time and settled, so that no worker acts on the demo's past.
"""

import random
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from helpline.calls.commands import CallContent, LogCall, ToldChild
from helpline.calls.models import CallChild
from helpline.calls.services.log import log_call
from helpline.calls.vocabulary import Answer, CallAction, CallChannel, CallKind, DangerAnswers, Relation
from helpline.cases.commands import AddNote, CloseCase, Consent, OpenCase
from helpline.cases.models import Case
from helpline.cases.services import assigning, closing, opening, working
from helpline.cases.vocabulary import CaseStep, CloseReason, ConsentAnswer, ConsentBy, NoteKind
from helpline.demo import cast
from helpline.demo.house import HISTORY, Made
from helpline.followups.services import planning
from helpline.foundation.access.permissions import Role, SystemActor
from helpline.foundation.context import Actor, Context, system_actor, system_context
from helpline.foundation.db import become, db
from helpline.foundation.errors import Conflict
from helpline.foundation.ids import new_id
from helpline.foundation.outbox.models import OutboxEvent
from helpline.notifications.models import Message
from helpline.notifications.vocabulary import MessageState
from helpline.people.commands import PersonDetails
from helpline.people.vocabulary import AgeKnown, Gender, PersonRole
from helpline.referrals.commands import GiveAnswer
from helpline.referrals.models import ReferralAsk
from helpline.referrals.services import portal, routing
from helpline.referrals.vocabulary import Answer as PartnerAnswer
from helpline.referrals.vocabulary import AskState, DeclineReason

CALLS_A_DAY = 18
# What the relay's handlers do, here at the time of the event.
_ROUTER, _REMINDER = SystemActor.ROUTER, SystemActor.REMINDER
_HANDLERS: dict[str, tuple[tuple[SystemActor, Callable[[Context, dict[str, Any]], None]], ...]] = {
    "cases.opened": (
        (_ROUTER, lambda ctx, body: routing.request_needs(ctx, uuid.UUID(body["case_id"]), body["needs"])),
        (_REMINDER, lambda ctx, body: planning.plan(ctx, uuid.UUID(body["case_id"]))),
    ),
    "cases.assigned": ((_REMINDER, lambda ctx, body: planning.reassign(ctx, uuid.UUID(body["case_id"]))),),
    "cases.contacted": (
        (_REMINDER, lambda ctx, body: planning.note_contact(ctx, uuid.UUID(body["case_id"]), first=body["first"])),
    ),
    "cases.closed": ((_REMINDER, lambda ctx, body: planning.cancel_all(ctx, uuid.UUID(body["case_id"]))),),
    "referrals.requested": ((_ROUTER, lambda ctx, body: routing.route(ctx, uuid.UUID(body["referral_id"]))),),
    "referrals.declined": ((_ROUTER, lambda ctx, body: routing.route(ctx, uuid.UUID(body["referral_id"]))),),
    "referrals.accepted": ((_ROUTER, lambda ctx, body: routing.tell_accepted(ctx, uuid.UUID(body["referral_id"]))),),
}


class Story:
    """Plays the weeks; the same seed tells the same story."""

    def __init__(self, made: Made, seed: int = 1280) -> None:
        self.made, self.chance = made, random.Random(seed)  # noqa: S311  # a story, not a secret
        self.request_id = new_id()

    def tell(self, end: datetime) -> None:
        """Every day from four weeks before `end` until an hour before it, inside the open unit of work."""
        day = end - HISTORY
        while day < end:
            self._act(system_actor(SystemActor.KEEPER), day)
            self._live_through(day, min(day + timedelta(days=1), end - timedelta(hours=1)))
            day += timedelta(days=1)
        self._settle()

    def _as(self, actor: Actor, at: datetime) -> Context:
        return replace(
            system_context(SystemActor.KEEPER), actor=actor, now=at, request_id=self.request_id,
            timezone=self.made.timezone,
        )  # fmt: skip

    def _act(self, actor: Actor, at: datetime) -> Context:
        ctx = self._as(actor, at)
        become(ctx)
        return ctx

    def _live_through(self, start: datetime, end: datetime) -> None:
        seconds = (end - start).total_seconds()
        # More calls come in the evening: the later of two draws.
        times = sorted(
            start + timedelta(seconds=max(self.chance.random(), self.chance.random()) * seconds)
            for _ in range(CALLS_A_DAY if seconds > 0 else 0)
        )
        for at in times:
            self._call(at)
        for case_id in db.session.scalars(select(Case.id).where(Case.centre_id == self.made.centre_id)).all():
            self._work_on(case_id, end - timedelta(seconds=self.chance.random() * seconds / 2))

    def _call(self, at: datetime) -> None:
        operator = self.made.actors[self.chance.choice(["operator", "operator", "operator2", "operator3"])]
        minutes = self.chance.randint(1, 40)
        if self.chance.random() < 0.55:  # noqa: PLR2004  # most calls are silent or tests (DOMAIN.md)
            kind = self.chance.choices(list(CallKind)[1:], [8, 4, 1, 1, 3, 5, 4, 1])[0]
            content = CallContent(kind=kind, started_at=at - timedelta(minutes=1), ended_at=at)
            log_call(self._act(operator, at), LogCall(new_id(), content))
            return
        reason, words, needs = self.chance.choice(cast.STORIES)
        gender = self.chance.choice([Gender.FEMALE, Gender.FEMALE, Gender.MALE])
        name = self.chance.choice(cast.GIRLS if gender is Gender.FEMALE else cast.BOYS)
        province = self.chance.choices(
            list(self.made.provinces), [1 + 9 * (c in {"12", "17", "02"}) for c in self.made.provinces]
        )[0]
        relation = self.chance.choice(
            [Relation.SELF, Relation.SELF, Relation.PARENT, Relation.NEIGHBOUR, Relation.TEACHER]
        )
        child = PersonDetails(
            PersonRole.CHILD, name=name if self.chance.random() < 0.6 else None, age=self.chance.randint(4, 17),  # noqa: PLR2004
            age_known=self.chance.choice([AgeKnown.EXACT, AgeKnown.ABOUT]), gender=gender, language="km",
        )  # fmt: skip
        content = CallContent(
            channel=self.chance.choices(list(CallChannel), [30, 3, 4, 6, 1, 1, 1, 2])[0],
            started_at=at - timedelta(minutes=minutes), ended_at=at, relation=relation, children=(ToldChild(child),),
            place_id=self.made.provinces[province].id, categories=(reason,), danger=self._danger(reason),
            actions=(CallAction.COUNSELLING, CallAction.INFORMATION), narrative=words,
        )  # fmt: skip
        logged = log_call(self._act(operator, at), LogCall(new_id(), content))
        if logged.risk_level != "low" and self.chance.random() < 0.3:  # noqa: PLR2004
            self._open(operator, at, logged.id, needs)

    def _danger(self, reason: str) -> DangerAnswers:
        answers = [Answer.NO, Answer.NO, Answer.UNKNOWN, Answer.YES]
        hurt = self.chance.choice(answers) if reason.startswith("violence") else Answer.NO
        near = self.chance.choice(answers[:3]) if self.chance.random() < 0.9 else Answer.YES  # noqa: PLR2004
        return DangerAnswers(hurt=hurt, near_person_feared=near)

    def _open(self, operator: Actor, at: datetime, call_id: uuid.UUID, needs: tuple[Any, ...]) -> None:
        child = db.session.scalars(select(CallChild.person_id).where(CallChild.call_id == call_id)).one()
        consent = Consent(
            services=ConsentAnswer.YES if self.chance.random() < 0.9 else ConsentAnswer.NO,  # noqa: PLR2004
            disclosure=ConsentAnswer.YES, by=ConsentBy.CHILD,
        )  # fmt: skip
        opening.open_case(self._act(operator, at), OpenCase(new_id(), call_id, child, needs=needs, consent=consent))
        self._carry_out(at)

    def _work_on(self, case_id: uuid.UUID, at: datetime) -> None:
        """What happens to a case in a day: it is given to somebody, agencies answer, somebody visits, it goes on."""
        case = db.session.get_one(Case, case_id)
        idle = self.chance.random() < 0.25  # noqa: PLR2004  # days on which nothing happens
        if idle or case.status == "closed" or at < case.opened_at:
            return
        self._agencies_answer(case, at)
        if case.caseworker_id is None:
            self._assign(case, at)
            return
        worker = next(actor for actor in self.made.actors.values() if actor.id == case.caseworker_id)
        if self.chance.random() < 0.5:  # noqa: PLR2004
            kind = self.chance.choice([NoteKind.CONTACT, NoteKind.VISIT])
            note = AddNote(new_id(), case_id, kind, self.chance.choice(_NOTES))
            working.add_note(self._act(worker, at), note)
            self._carry_out(at)
        if self.chance.random() < 0.3:  # noqa: PLR2004
            self._go_on(case, worker, at)

    def _agencies_answer(self, case: Case, at: datetime) -> None:
        asked = select(ReferralAsk).where(ReferralAsk.case_id == case.id, ReferralAsk.state == AskState.ASKED.value)
        for ask in db.session.scalars(asked).all():
            if self.chance.random() < 0.6 and ask.asked_at < at:  # noqa: PLR2004
                partner = Actor(id=ask.id, role=Role.PARTNER, centre_id=case.centre_id)
                yes = self.chance.random() < 0.8  # noqa: PLR2004
                reason = None if yes else self.chance.choice([DeclineReason.FULL, DeclineReason.NO_STAFF_NOW])
                answer = GiveAnswer(PartnerAnswer.ACCEPT if yes else PartnerAnswer.DECLINE, reason)
                portal.answer(self._act(partner, min(at, ask.answer_by - timedelta(minutes=5))), answer)
                self._carry_out(at)

    def _assign(self, case: Case, at: datetime) -> None:
        own = [a for a in self.made.actors.values() if a.role == Role.CASEWORKER and case.team_id in a.team_ids]
        if self.chance.random() < 0.85 and own:  # noqa: PLR2004
            ctx = self._act(self.made.actors["supervisor"], at)
            assigning.assign_caseworker(ctx, case.id, case.version, self.chance.choice(own).id)
            self._carry_out(at)

    def _go_on(self, case: Case, worker: Actor, at: datetime) -> None:
        following = {
            CaseStep.REGISTER: CaseStep.ASSESS, CaseStep.ASSESS: CaseStep.PLAN, CaseStep.PLAN: CaseStep.IMPLEMENT,
            CaseStep.IMPLEMENT: CaseStep.FOLLOW_UP,
        }.get(CaseStep(case.step))  # fmt: skip
        if following is not None:
            working.move_to_step(self._act(worker, at), case.id, case.version, following)
            return
        ctx = self._act(self.made.actors["supervisor"], at)
        try:
            closing.close_case(ctx, CloseCase(case.id, case.version, CloseReason.GOALS_MET, "Safe at home; goals met."))
        except Conflict:  # something is still promised: the next days will tell
            return
        self._carry_out(at)

    def _carry_out(self, at: datetime) -> None:
        """Do at once what the relay would have had done, until nothing is left."""
        mine = (OutboxEvent.request_id == self.request_id, OutboxEvent.settled_at.is_(None))
        while True:
            db.session.flush()
            found = db.session.execute(select(OutboxEvent.id, OutboxEvent.name, OutboxEvent.payload).where(*mine)).all()
            if not found:
                return
            db.session.execute(update(OutboxEvent).where(*mine).values(settled_at=at))
            for event in found:
                for actor, handle in _HANDLERS.get(event.name, ()):
                    handle(self._act(system_actor(actor), at), event.payload)

    def _settle(self) -> None:
        """The demo's mail left long ago, as far as anybody is concerned: its addresses do not exist."""
        db.session.flush()
        queued = (Message.centre_id == self.made.centre_id, Message.state == MessageState.QUEUED.value)
        db.session.execute(
            update(Message).where(*queued).values(state=MessageState.SENT.value, sent_at=Message.created_at)
        )
        mine = OutboxEvent.request_id == self.request_id
        db.session.execute(update(OutboxEvent).where(mine).values(settled_at=OutboxEvent.created_at))


_NOTES = (
    "Spoke with the child at school; she eats and sleeps better.",
    "Visited at home. The mother wants help to find work; agreed on a safety plan.",
    "Called the grandmother. The boy stays with her until the weekend.",
    "The teacher will keep an eye on her and call if she misses a day.",
    "He said he is not afraid at night any more. Next visit in a week.",
)

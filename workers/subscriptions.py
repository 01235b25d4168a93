"""Which tasks hear of which event. A task's name is `<slice>.<verb_noun>`, and it lives in the slice's file here."""

from workers import schedule

SUBSCRIPTIONS: dict[str, tuple[str, ...]] = {
    "accounts.user_invited": ("accounts.send_invitation",),
    "accounts.password_reset_requested": ("accounts.send_password_link",),
    "accounts.factor_changed": ("accounts.tell_factor_changed",),
    "accounts.approval_moved": ("accounts.tell_approval",),
    "cases.opened": ("referrals.route_case", "followups.plan_case"),
    "cases.assigned": ("followups.reassign_case",),
    "cases.released": ("followups.release_case",),
    "cases.contacted": ("followups.note_contact",),
    "cases.risk_changed": ("followups.replan_case",),
    "cases.closed": ("followups.cancel_case",),
    "cases.reopened": ("followups.plan_again",),
    "cases.needs_added": ("referrals.route_case",),
    "referrals.requested": ("referrals.route",),
    "referrals.declined": ("referrals.route",),
    "referrals.expired": ("referrals.route",),
    "referrals.accepted": ("referrals.tell_accepted",),
    "privacy.case_shut": ("referrals.shut_out",),
    "privacy.glass_broken": ("privacy.tell_broken",),
}

__all__ = ["SUBSCRIPTIONS", "schedule"]

"""What beat calls, and how often. Due times stand in the database; these are only looks at the clock."""

from workers.celery_app import celery

celery.conf.beat_schedule = {
    "heartbeat": {"task": "heartbeat.beat_seen", "schedule": 2.0, "options": {"expires": 10}},
    "imports": {"task": "imports.advance", "schedule": 2.0, "options": {"expires": 10}},
    "referrals": {"task": "referrals.expire_unanswered", "schedule": 10.0, "options": {"expires": 30}},
    "remind": {"task": "followups.remind_due", "schedule": 2.0, "options": {"expires": 10}},
    "escalate": {"task": "followups.escalate_due", "schedule": 2.0, "options": {"expires": 10}},
    "rotate": {"task": "keys.rotate", "schedule": 2.0, "options": {"expires": 10}},
    "seal": {"task": "oversight.seal_entries", "schedule": 20.0, "options": {"expires": 30}},
    "witness": {"task": "oversight.give_checkpoints", "schedule": 10.0, "options": {"expires": 30}},
    "watch": {"task": "oversight.watch_reading", "schedule": 30.0, "options": {"expires": 60}},
    "verify": {"task": "oversight.verify_audit", "schedule": 600.0, "options": {"expires": 60}},
    "review": {"task": "privacy.remind_reviews", "schedule": 10.0, "options": {"expires": 30}},
    "approvals": {"task": "accounts.carry_out_approvals", "schedule": 10.0, "options": {"expires": 30}},
    "erase": {"task": "retention.erase", "schedule": 10.0, "options": {"expires": 30}},
    "sweep": {"task": "retention.sweep", "schedule": 600.0, "options": {"expires": 60}},
    "compare": {"task": "retention.compare", "schedule": 300.0, "options": {"expires": 60}},
    "breaches": {"task": "registers.remind_breaches", "schedule": 30.0, "options": {"expires": 60}},
    "exports": {"task": "registers.drop_exports", "schedule": 60.0, "options": {"expires": 60}},
    "deliver": {"task": "notifications.deliver_due", "schedule": 2.0, "options": {"expires": 10}},
}

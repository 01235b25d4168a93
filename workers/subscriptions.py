"""Which tasks hear of which event. A task's name is `<slice>.<verb_noun>`, and it lives in the slice's file here."""

from workers import schedule

SUBSCRIPTIONS: dict[str, tuple[str, ...]] = {}

__all__ = ["SUBSCRIPTIONS", "schedule"]

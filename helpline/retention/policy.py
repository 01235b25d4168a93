"""Who sees what is due, held and erased: whoever answers for a centre, but for records that they are shut out of."""

_NOT_SHUT_OUT = " AND ".join(
    f"record_id <> ALL ((SELECT app.denied('{kind}'))::uuid[])" for kind in ("case", "call", "person")
)
_CENTRE = "centre_id = ANY ((SELECT app.centres_of('retention'))::uuid[])"

RULES = _CENTRE
RECORDS = f"{_CENTRE} AND {_NOT_SHUT_OUT}"  # holds, reviews, erasures
LEDGER = KEYS_TOLD = "(SELECT app.actor() -> 's' ? 'retention')"

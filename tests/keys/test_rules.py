from datetime import UTC, datetime, timedelta

from helpline.foundation.access.rows import LIFETIME
from helpline.keys.rules import SETTLING, may_retire

AT = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)


def test_an_old_master_waits_until_nobody_can_hold_what_it_wrapped():
    assert not may_retire(None, AT)
    assert not may_retire(AT, AT + SETTLING - timedelta(seconds=1))
    assert may_retire(AT, AT + SETTLING)
    assert SETTLING > LIFETIME

"""Old logs on their way in."""

from helpline.imports.services import running
from workers.task import job


# A large file takes minutes; still less than the broker's visibility timeout.
@job("imports.advance", soft_time_limit=1500, time_limit=1560)
def advance() -> None:
    """Take the waiting imports on, one after the other."""
    while running.run_next():
        pass

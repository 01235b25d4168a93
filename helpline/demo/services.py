"""Loading the demo helpline, once."""

from pathlib import Path

from helpline.demo import cast
from helpline.demo.house import is_there, make_house
from helpline.demo.story import Story
from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.context import system_context
from helpline.foundation.db import unit_of_work
from helpline.foundation.failpoints import failpoint

ACCOUNTS = "demo-accounts.txt"


def load_demo(accounts_path: Path) -> bool:
    """Make the demo helpline and tell its four weeks, whole or not at all; False if it is there.

    Needs the owner's login. One account of each role is written, with its password, to `accounts_path`, readable to
    its owner only.
    """
    with unit_of_work(system_context(SystemActor.KEEPER)) as ctx:
        if is_there():
            return False
        made = make_house(ctx)
        Story(made).tell(ctx.now)
        failpoint("demo.before_commit")
        # Before the commit: who is killed between the two finds no helpline, and makes both anew.
        accounts_path.touch(mode=0o600)
        shown = [member for member in cast.STAFF if member.shown]
        accounts_path.write_text("".join(f"{m.login}\t{made.passwords[m.login]}\t{m.role.value}\n" for m in shown))
    return True

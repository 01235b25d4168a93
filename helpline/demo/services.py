"""Loading the demo helpline, once."""

from pathlib import Path

from helpline.demo import cast
from helpline.demo.house import is_there, make_house
from helpline.demo.story import Story
from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.context import system_context
from helpline.foundation.db import unit_of_work

ACCOUNTS = "demo-accounts.txt"


def load_demo(accounts_path: Path) -> bool:
    """Make the demo helpline and tell its four weeks; False if it is there. Needs the owner's login.

    One account of each role is written, with its password, to `accounts_path`, readable to its owner only.
    """
    with unit_of_work(system_context(SystemActor.KEEPER)):
        if is_there():
            return False
    made = make_house()
    lines = [
        f"{member.login}\t{made.passwords[member.login]}\t{member.role.value}" for member in cast.STAFF if member.shown
    ]
    accounts_path.touch(mode=0o600)
    accounts_path.write_text("\n".join(lines) + "\n")
    Story(made).tell()
    return True

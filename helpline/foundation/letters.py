"""Unicode's normal forms, the one way to them: a text made to be slow takes no longer than any other of its length.

Python puts the marks that follow a letter in order by insertion: a million marks in the wrong order, which fit into two
megabytes, would keep a whole process busy for hours.
"""

import unicodedata
from typing import Literal

PIECE = 1000  # characters; some hundredth of a second at worst


def normal_form(form: Literal["NFC", "NFD", "NFKC", "NFKD"], text: str) -> str:
    """The text in this form: exactly so up to PIECE characters, beyond piece by piece."""
    if len(text) <= PIECE:
        return unicodedata.normalize(form, text)
    return "".join(unicodedata.normalize(form, text[at : at + PIECE]) for at in range(0, len(text), PIECE))

"""What typed words are taken for, and when a likeness is strong enough to speak of a double."""

import re
from dataclasses import dataclass

from helpline.search.rules.spelling import tokens
from helpline.search.vocabulary import Match, SearchBy

_CODE = re.compile(r"(?:[^\W\d_][^\W_]{0,11}-)?(\d{1,7})")
_AGE_BEHIND = re.compile(r"(.*\D)\s(\d{1,2})")
_OLDEST = 25
_LEAST_DIGITS = 8  # of a phone number, with its first 0
STRONG = 0.9  # the likeness of two names from which they may be one child's
SAME_SEARCH_MINUTES = 10
MOST_REQUESTS = 300
MOST_DUPLICATE_CHECKS = 40  # of one person in an hour: nobody takes so many calls


@dataclass(frozen=True, slots=True)
class Words:
    """`number`: digits of a case's number; `name` and `age` as they were told apart."""

    by: SearchBy
    name: str = ""
    age: int | None = None
    number: int | None = None


def read_words(text: str) -> Words:
    """A case's number (HC-2481, or 2481), else a phone number, else a name with, perhaps, an age behind it."""
    text = " ".join(text.split())
    digits = sum(letter.isdecimal() for letter in text)
    code = _CODE.fullmatch(text)
    if code:
        return Words(SearchBy.CODE, number=int(code[1]))
    if digits >= _LEAST_DIGITS and not any(letter.isalpha() for letter in text):
        return Words(SearchBy.PHONE)
    behind = _AGE_BEHIND.fullmatch(text)
    name, age = (behind[1], int(behind[2])) if behind and int(behind[2]) <= _OLDEST else (text, None)
    if sum(len(token.form) for token in tokens(name)) < 2:  # noqa: PLR2004  # one letter is everybody
        return Words(SearchBy.NOTHING)
    return Words(SearchBy.NAME, name, age)


def strong(match: Match) -> bool:
    """The names are nearly the same, and what else is known of both agrees: a name alone identifies nobody."""
    return match.likeness >= STRONG and match.score > match.likeness

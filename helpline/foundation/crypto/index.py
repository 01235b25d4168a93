"""Blind indexes: keyed digests by which a sealed value can be found again without storing it in the clear.

Only for values with many possibilities (a phone number, an e-mail address). Never over sex, age, district or category
alone: such columns were recovered for most patients of real hospital data (Naveed et al., 2015).
"""

import hmac
import re
from functools import lru_cache

import phonenumbers

from helpline.foundation.crypto.keyring import ring

INDEX_BYTES = 16


def blind_index(purpose: str, value: str) -> bytes:
    """Sixteen bytes that are equal for equal values of one purpose, and say nothing across purposes.

    The caller normalises the value first. `purpose` is a constant such as "phone".
    """
    return hmac.digest(_key_for(ring().secret("index"), purpose), value.encode(), "sha256")[:INDEX_BYTES]


@lru_cache(maxsize=16)
def _key_for(secret: bytes, purpose: str) -> bytes:
    return hmac.digest(secret, f"blind-index/{purpose}".encode(), "sha256")


def normal_phone(text: str, region: str) -> str | None:
    """A phone number as +CCNNN however it was written (either script's digits), or None if it can't be one.

    `region` is the centre's country (ISO 3166, "KH"), for numbers written without their country.
    """
    ascii_digits = "".join(str(int(c)) if c.isdecimal() else c for c in text)
    # People write 00 for + everywhere; where the country's own prefix differs (Cambodia: 001, 007, 008) the library
    # would misread it. So both readings are tried, and one that is in use somewhere wins.
    possible = []
    for reading in dict.fromkeys((re.sub(r"^\D*0\D*0", "+", ascii_digits), ascii_digits)):
        try:
            number = phonenumbers.parse(reading, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        if phonenumbers.is_possible_number(number):  # a range the library does not know yet keeps its 0: drop it
            possible.append(f"+{number.country_code}{number.national_number}")
    return possible[0] if possible else None


def phone_index(text: str, region: str) -> bytes | None:
    """The blind index of a phone number, the same for every way of writing it; None if it is no number."""
    number = normal_phone(text, region)
    return None if number is None else blind_index("phone", number)

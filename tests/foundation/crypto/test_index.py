import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline.foundation.crypto import keyring
from helpline.foundation.crypto.index import blind_index, normal_phone, phone_index

KHMER = str.maketrans("0123456789", "០១២៣៤៥៦៧៨៩")


@pytest.mark.parametrize(
    "written",
    [
        "012 345 678",
        "012-345.678",
        "០១២ ៣៤៥ ៦៧៨",
        "+855 12 345 678",
        "+855 (0)12 345 678",
        "00855 12 345 678",
        "00 855 12 345 678",
        "០០៨៥៥ ១២ ៣៤៥ ៦៧៨",
        "001 855 12 345 678",
        "855 12 345 678",
        "12 345 678",
        "tel:+85512345678",
        "0 1 2 3 4 5 6 7 8",
        "+855\u200b12345678",
        " 012345678 ext 5",
    ],
)
def test_one_number_however_written_has_one_index(written):
    assert normal_phone(written, "KH") == "+85512345678"
    assert phone_index(written, "KH") == phone_index("012345678", "KH")


def test_the_region_of_the_centre_decides_about_local_numbers():
    assert normal_phone("011 2345-6789", "AR") == "+541123456789"
    assert phone_index("+54 11 2345 6789", "KH") == phone_index("011 2345-6789", "AR")


def test_a_number_of_a_range_not_yet_published_is_still_found_again():
    for written in ("010 000 00", "+855 10 000 00", "00855 10 000 00", "+855 (0)10 000 00"):
        assert normal_phone(written, "KH") == "+8551000000"


@pytest.mark.parametrize("text", ["", "no number", "117", "1" * 30, "+", "00"])
def test_what_is_no_number_has_no_index(text):
    assert phone_index(text, "KH") is None


@pytest.mark.parametrize("region", ["KH", "AR", "IN", "KE", "KR"])
@given(data=st.data())
def test_every_published_format_of_a_number_agrees(region, data):
    example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    digits = str(example.national_number)
    tail = data.draw(st.text("0123456789", min_size=4, max_size=4))
    number = phonenumbers.PhoneNumber(country_code=example.country_code, national_number=int(digits[:-4] + tail))
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    for how in (0, 1, 2, 3):
        written = phonenumbers.format_number(number, how)
        assert normal_phone(written, region) == e164
        assert normal_phone(written.translate(KHMER), region) == e164
    assert normal_phone("00" + e164[1:], region) == e164


@given(st.text())
def test_no_text_breaks_it(text):
    assert normal_phone(text, "KH") is None or normal_phone(text, "KH").startswith("+")


def test_an_index_is_16_bytes_and_says_nothing_across_purposes_or_installations(key_path, installed_ring):
    here = blind_index("phone", "+85512345678")
    assert len(here) == 16
    assert here == blind_index("phone", "+85512345678")
    assert here != blind_index("phone", "+85512345679")
    assert here != blind_index("email", "+85512345678")
    keyring.install(keyring.KeyRing.open(key_path))
    try:
        assert here != blind_index("phone", "+85512345678")
    finally:
        keyring.install(installed_ring)

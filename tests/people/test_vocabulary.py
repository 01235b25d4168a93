import pytest

from helpline.people.vocabulary import AgeBand


@pytest.mark.parametrize(
    ("age", "band"),
    [
        (None, "unknown"), (-1, "unborn"), (0, "0-5"), (5, "0-5"), (6, "6-9"), (9, "6-9"), (10, "10-12"), (13, "13-15"),
        (15, "13-15"), (16, "16-17"), (17, "16-17"), (18, "18-25"), (25, "18-25"), (26, "26+"), (90, "26+"),
    ],
)  # fmt: skip
def test_each_age_has_its_band(age, band):
    assert AgeBand.of(age) == band

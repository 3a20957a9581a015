import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanes.base.durations import LONGEST_MS, parse, show


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("2h", 7_200_000), ("14d", 1_209_600_000),
        ("0s", 0), ("1.5s", 1_500), ("0.25h", 900_000), ("007s", 7_000), ("1.000s", 1_000), ("3650d", LONGEST_MS),
    ],
)  # fmt: skip
def test_what_people_write(text: str, ms: int) -> None:
    assert parse(text) == ms


@pytest.mark.parametrize(
    "text",
    ["", "5", "5 m", " 5m", "5m ", "m", "-5m", "+5m", "5M", "5min", "1h30m", "off", "1e3s", ".5s", "5.s", "٥m", "5m\n",
     "1.5ms", "0.0001s", "3651d", "999999999999999d", "9" * 5000 + "s", "inf", "nan"],
)  # fmt: skip
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="a duration"):
        parse(text)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0s"),
        (1, "1ms"),
        (1_500, "1500ms"),
        (90_000, "90s"),
        (300_000, "5m"),
        (5_400_000, "90m"),
        (86_400_000, "1d"),
    ],
)
def test_shown_in_the_largest_unit_that_divides(ms: int, text: str) -> None:
    assert show(ms) == text


def test_no_negative_duration_is_shown() -> None:
    with pytest.raises(ValueError, match="negative"):
        show(-1)


@given(st.integers(min_value=0, max_value=LONGEST_MS))
def test_what_is_shown_is_read_back(ms: int) -> None:
    assert parse(show(ms)) == ms

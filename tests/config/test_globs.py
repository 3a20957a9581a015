from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanes.config.globs import common_key
from lanes_storage.globs import as_pattern

KEYS = st.text(st.sampled_from("ab:"), min_size=1, max_size=8)


@st.composite
def two_globs_of_one_key(draw: st.DrawFn) -> tuple[str, str]:
    """Two globs that match a common key: each place kept, widened or swallowed by a star."""
    key = draw(KEYS)
    forms = st.lists(st.sampled_from(["{}", "?", "*", "*{}", "[x{}]", "[!x]"]), min_size=len(key), max_size=len(key))
    one, other = (draw(forms) for _ in range(2))
    return (
        "".join(form.format(c) for form, c in zip(one, key, strict=True)),
        "".join(form.format(c) for form, c in zip(other, key, strict=True)),
    )


def test_the_case_counts_and_the_whole_key_must_match() -> None:
    pattern = as_pattern("agent:*:[0-9]?")
    assert pattern.match("agent:a\nb:1x")
    assert not pattern.match("Agent:a:1x")
    assert not pattern.match("agent:a:1xy")


@pytest.mark.parametrize(
    ("one", "other"),
    [("a*", "*b"), ("*", "*"), ("agent:*:group:*", "*:feishu:*"), ("[!a]x", "?x"), ("[a-c]", "[c-e]"), ("[", "*"),
     ("a[]]", "a?"), ("x**y", "x?y"), ("飞书*", "*🙂")],
)  # fmt: skip
def test_a_key_that_both_match(one: str, other: str) -> None:
    key = common_key(one, other)
    assert key
    assert fnmatchcase(key, one)
    assert fnmatchcase(key, other)


@pytest.mark.parametrize(
    ("one", "other"), [("a*", "b*"), ("*a", "*b"), ("?", "??"), ("a:*:c", "a:c"), ("[ab]", "[cd]"), ("A*", "a*")]
)
def test_no_key_that_both_match(one: str, other: str) -> None:
    assert common_key(one, other) is None


@given(two_globs_of_one_key())
def test_where_two_globs_share_a_key_one_is_found(globs: tuple[str, str]) -> None:
    found = common_key(*globs)
    assert found
    assert as_pattern(globs[0]).match(found)
    assert as_pattern(globs[1]).match(found)


@given(KEYS, KEYS)
def test_what_is_found_is_true(one: str, other: str) -> None:
    assert common_key(one, other) == (one if one == other else None)

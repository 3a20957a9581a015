import sys
from unicodedata import category

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lanes.base.errors import InvalidKey
from lanes.base.terminal import check_key, clean

HARMFUL = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
ANY_TEXT = st.text(st.characters(codec=None, min_codepoint=0, max_codepoint=sys.maxunicode))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x1b]52;c;aGk=\x07", r"\x1b]52;c;aGk=\x07"),
        ("a\x7fb\x9bc\x00", r"a\x7fb\x9bc\x00"),
        ("one\ntwo\r\n\tthree", r"one\ntwo\r\n\tthree"),
        ("\u202eabc\u202c\u2066x\u2069", r"\u202eabc\u202c\u2066x\u2069"),
        ("a\u200bb\u200d\ufeff\xad", r"a\u200bb\u200d\ufeff\xad"),
        ("a\u2028b\u2029", r"a\u2028b\u2029"),
        ("\ud800x\udfff", r"\ud800x\udfff"),
        ("\ue000 \uffff \U000f0000 \U000e0041", r"\ue000 \uffff \U000f0000 \U000e0041"),
    ],
)
def test_what_could_do_harm_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert clean(text) == shown


@pytest.mark.parametrize(
    "text",
    ["", "plain ASCII, with [/] and \\ and %", "agent:main:飞书:群", "🙂 👍🏽 é e\u0301", "a\xa0b\u3000c", "नमस्ते"],
)
def test_what_can_be_printed_is_kept(text: str) -> None:
    assert clean(text) == text


def test_lines_are_kept_where_asked_for_and_nothing_else() -> None:
    assert clean("a\nb\r\nc\td\re\x1b", keep_newlines=True) == "a\nb\nc    d" + r"\re\x1b"


@given(ANY_TEXT, st.booleans())
@example("\r\r\n\n", True)
def test_the_result_is_harmless_and_stays_as_it_is(text: str, keep: bool) -> None:
    shown = clean(text, keep_newlines=keep)
    left = shown.replace("\n", "") if keep else shown
    assert not {category(c) for c in left} & HARMFUL
    assert clean(shown, keep_newlines=keep) == shown
    shown.encode()


def test_every_single_character_is_harmless() -> None:
    text = "".join(map(chr, range(sys.maxunicode + 1)))
    assert not {category(c) for c in set(clean(text))} & HARMFUL


@pytest.mark.parametrize(
    "key",
    [
        "a",
        " ",
        "agent:main:feishu:group:oc_d497",
        "a/b c%d",
        "-x",
        "飞书🙂",
        "x" * 512,
        "🙂" * 512,
        "a\u202eb",
        "\u200d",
    ],
)
def test_a_key_is_kept_exactly(key: str) -> None:
    assert check_key(key) is key


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("", "it is empty"),
        ("x" * 513, "it has 513 characters; at most 512 are allowed"),
        ("a\nb", r"character 2 is the control character \n"),
        ("\x00", r"character 1 is the control character \x00"),
        ("ab\x85", r"character 3 is the control character \x85"),
        ("a\ud83d", r"character 2 is half a character (\ud83d)"),
    ],
)
def test_what_names_no_lane_is_refused_with_the_reason(key: str, why: str) -> None:
    with pytest.raises(InvalidKey) as caught:
        check_key(key)
    assert caught.value.why == why


@given(ANY_TEXT)
def test_a_key_holds_no_control_character_and_no_half_character(text: str) -> None:
    allowed = 0 < len(text) <= 512 and not {category(c) for c in text} & {"Cc", "Cs"}
    if allowed:
        assert check_key(text) is text
    else:
        with pytest.raises(InvalidKey) as caught:
            check_key(text)
        assert clean(str(caught.value)) == str(caught.value)

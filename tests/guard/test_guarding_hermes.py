"""``lanes guard hermes`` changes ``model.base_url``, or nothing."""

import re

import pytest

from lanes.base.errors import ConfigError
from lanes.guard.hermes import hermes

BASE = "http://127.0.0.1:8765/g/hermes/TOKEN/v1"
NESTED = "model:\n  extra:\n    base_url: https://other.example/v1\n  base_url: {}\n"
MEANT = "https://h.example/v1"


def with_provider(text: str) -> str:
    """A text whose address is asked, with a key of the file."""
    end = "\r\n" if "\r\n" in text else "\n"
    return re.sub(r"^([ ]+)(?=base_url: .?\{)", rf"\1provider: zai{end}\1", text, flags=re.MULTILINE)


@pytest.mark.parametrize(
    "text",
    [
        NESTED,
        NESTED.replace("\n", "\r\n"),
        "a: 1\n# b\nmodel: # c\n\n    # d\n"
        "    names:\n    - x\n    - 'y: z'\n    base_url: {}  # e\n    note: don't\nb: 2\n",
        "model:\n  note: |\n    base_url: x\n  quoted: 1\n  base_url: {}\n",
        "model:\n  base_url: \"{}\"\n  list: [a, b]\n  api_key: ''",
        "model:\n  base_url: '{}' # x\nmodels:\n  base_url: y\n",
        "---\nmodel:\n  default: a/b:free\n  base_url: {}\n",
    ],
)
def test_F434_the_address_of_the_model_is_changed_and_nothing_else(text: str) -> None:
    before = with_provider(text).format(MEANT + "/")
    told = hermes(before, BASE)
    assert told.upstream == MEANT
    (edit,) = told.edits
    assert before[: edit.start] + edit.ours + before[edit.end :] == with_provider(text).format(BASE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "model: {base_url: https://h.example/v1}\n",
        "model:\n  extra:\n    base_url: https://h.example/v1\n",
        "model:\n  base_url: https://h.example/v1\n  base_url: https://i.example/v1\n",
        "model:\n  base_url: https://h.example/v1\nmodel:\n  a: 1\n",
        "model:\n  a: 1\n---\nmodel:\n  base_url: https://h.example/v1\n",
        "model:\n  base_url: https://h.example/v1\n'model':\n  a: 1\n",
        'model:\n  note: "a\n  base_url: https://h.example/v1\n  b"\n',
        "model:\n  list: [a,\n  base_url: https://h.example/v1\n  ]\n",
        "model:\n  <<: *x\n  base_url: https://h.example/v1\n",
        "model:\n    a: 1\n  base_url: https://h.example/v1\n",
        "model:\n\tbase_url: https://h.example/v1\n",
        "model:\n  base_url: &x https://h.example/v1\n",
        "model:\n  base_url: https://h.example/v1#x\n",
        "model:\n  base_url:\n    https://h.example/v1\n",
        'model:\n  base_url: "https://h.example\\u002fv1"\n',
        "model:\n  base_url: ${BASE}\n",
    ],
)
def test_F434_what_is_unusual_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="by hand"):
        hermes(text, BASE)


@pytest.mark.parametrize(
    "provider",
    ["provider: mine", "provider: kimi", "provider: OpenRouter # x", "provider: 'anthropic'", "provider: custom:mine"],
)
def test_F1010_a_provider_that_would_pass_lanes_by_is_refused(provider: str) -> None:
    """hermes asks these at an address that it knows itself, whatever model.base_url says."""
    with pytest.raises(ConfigError, match="its own address"):
        hermes(f"model:\n  {provider}\n  base_url: {MEANT}\n  api_key: x\n", BASE)


@pytest.mark.parametrize("provider", ["", "provider: auto", "provider: ollama", "provider: kimi-coding"])
def test_F1030_one_that_asks_at_the_address_of_its_file_is_guarded(provider: str) -> None:
    assert hermes(f"model:\n  {provider}\n  base_url: {MEANT}\n  api_key: x\n", BASE).upstream == MEANT


@pytest.mark.parametrize("provider", ["", "provider: auto"])
def test_F1030_without_a_provider_hermes_takes_its_key_from_its_file_and_knows_some_addresses(provider: str) -> None:
    text = f"model:\n  {provider}\n  base_url: {MEANT}\n"
    with pytest.raises(ConfigError, match=r"set model\.api_key"):
        hermes(text, BASE)
    with pytest.raises(ConfigError, match="its own address"):
        hermes(text.replace(MEANT, "https://api.openai.com/v1") + "  api_key: x\n", BASE)


def test_F1011_a_key_that_hermes_chooses_by_the_host_is_to_be_named() -> None:
    """At the address of lanes it would send none, and every request would be refused."""
    text = f"model:\n  provider: custom\n  base_url: {MEANT}\n"
    with pytest.raises(ConfigError, match=r"set model\.api_key"):
        hermes(text, BASE)
    with pytest.raises(ConfigError, match=r"set model\.api_key"):
        hermes(text + "  api_key: ''\n", BASE)
    for more in ("  api_key: ${H_API_KEY}\n", '  api: "x"  # mine\n'):
        assert hermes(text + more, BASE).upstream == MEANT
    assert hermes(text.replace(MEANT, "http://127.0.0.1:11434/v1"), BASE).upstream == "http://127.0.0.1:11434/v1"

"""``lanes guard hermes`` changes ``model.base_url``, or nothing."""

import pytest

from lanes.base.errors import ConfigError
from lanes.guard.hermes import hermes

BASE = "http://127.0.0.1:8765/g/hermes/TOKEN/v1"
NESTED = "model:\n  extra:\n    base_url: https://other.example/v1\n  base_url: {}\n"
MEANT = "https://h.example/v1"


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
    before = text.format(MEANT + "/")
    told = hermes(before, BASE)
    assert told.upstream == MEANT
    (edit,) = told.edits
    assert before[: edit.start] + edit.ours + before[edit.end :] == text.format(BASE)


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

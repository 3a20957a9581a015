"""What is refused, and that the sentence names file, line, key and the fix."""

from pathlib import Path

import pytest

from lanes.base.errors import ConfigError
from lanes.config import load
from tests.config.conftest import Refuse


def cases() -> list[tuple[str, str]]:
    """The files of ``refused.txt``, each with its sentence."""
    parts = Path(__file__).with_name("refused.txt").read_text(encoding="utf-8").split("\n=> ")[1:]
    return [(text, sentence) for sentence, _, text in (part.partition("\n") for part in parts)]


@pytest.mark.parametrize(("text", "sentence"), cases())
def test_files(refused: Refuse, text: str, sentence: str) -> None:
    assert refused(text) == sentence


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("[gateway]\nport = \n", "lanes.toml:2: not valid TOML: "),
        ("[gateway]\nport = 1\nport = 2\n", "lanes.toml:3: not valid TOML: "),
        ("[gateway", "lanes.toml:1: not valid TOML: "),
        ("[gateway]\nhost = '''\n", "lanes.toml:3: not valid TOML: "),
        (f"# {'9' * 5000}\n[gateway]\nport = {'9' * 5000}\n", "lanes.toml:3: a number in it is too long; correct"),
        (f"[gateway]\nhost = [\n1,\n{'9' * 5000},\n]\n", "lanes.toml:4: a number in it is too long; correct"),
    ],
)
def test_no_toml(refused: Refuse, text: str, start: str) -> None:
    assert refused(text).startswith(start)


@pytest.mark.parametrize(
    ("variable", "text", "sentence"),
    [
        ("LANES_GATEWAY_PORT", "9" * 5000, f'gateway.port: "{"9" * 56}… is not a whole number; write port = 8765'),
        ("LANES_GATEWAY_PORT", "x", 'gateway.port: "x" is not a whole number; write port = 8765'),
        (
            "LANES_CLOCKS_RUN_TIMEOT",
            "1s",
            'unknown name "LANES_CLOCKS_RUN_TIMEOT"; did you mean LANES_CLOCKS_RUN_TIMEOUT?',
        ),
        (
            "LANES_GATEWAY_SESSION_FROM",
            "user",
            'unknown name "LANES_GATEWAY_SESSION_FROM"; a list is set in the file only',
        ),
    ],
)
def test_environment(refused: Refuse, variable: str, text: str, sentence: str) -> None:
    assert refused("", {variable: text}) == f"environment variable {variable}: {sentence}"


def test_two_names_of_one_database(refused: Refuse) -> None:
    sentence = refused("", {"LANES_DB": "a", "LANES_DATABASE_URL": "b"})
    assert sentence == "environment variable LANES_DB: contradicts LANES_DATABASE_URL; unset one of the two"


def test_flags(refused: Refuse) -> None:
    assert refused(gateway__port="x") == 'command line: gateway.port: "x" is not a whole number; write port = 8765'
    assert refused(gateway__prot=1) == 'command line: unknown name "gateway.prot"; did you mean gateway.port?'


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "lanes.toml"
    path.write_bytes(b"[gateway]\nhost = '\xff'\n")
    with pytest.raises(ConfigError) as caught:
        load(path, env={})
    assert str(caught.value) == f"{path}:2: it is not UTF-8; save it as UTF-8"


def test_a_sentence_is_harmless_for_a_terminal(refused: Refuse) -> None:
    sentence = refused('["\\u001b[2J\\u202e"]\n')
    assert sentence.startswith(r'lanes.toml:1: unknown name "\x1b[2J\u202e"; known are')
    assert sentence.isprintable()

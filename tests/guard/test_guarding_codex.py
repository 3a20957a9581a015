"""``lanes guard codex`` changes the one key and adds the one table that are meant, or nothing."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from lanes.base.errors import ConfigError
from lanes.config import load
from lanes.guard import files
from lanes.guard.codex import codex
from lanes.guard.installing import install, planned, undo, undone
from lanes.guard.programs import PROGRAMS

BASE = "http://127.0.0.1:8765/g/codex/TOKEN/v1"
AZURE = """model_provider = "azure"  # mine

[model_providers.azure]
name = "Mine"
base_url = "https://x.openai.azure.com/openai"
env_key = "AZURE_KEY"
wire_api = "responses"
query_params = { api-version = "2026-01-01" }
http_headers = { "X Y" = "1", Authorization = "Bearer sk-other" }
request_max_retries = 2
"""
OTHER = 'model_provider = "o"\n[model_providers.o]\nname = "O"\nbase_url = "https://o.example/v1"\n'


def pointed(text: str) -> tuple[str | None, dict[str, Any]]:
    told = codex(text, BASE)
    changed = files.edited(Path("config.toml"), text, told.edits)
    assert _undone(changed) == text
    return told.upstream, tomllib.loads(changed.after)


def _undone(changed: files.ChangedFile) -> str:
    text = changed.after
    for piece in changed.pieces:
        assert text.count(piece.ours) == 1
        text = text.replace(piece.ours, piece.before)
    return text


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "CODEX_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_F431_the_provider_keeps_everything_but_its_address() -> None:
    upstream, after = pointed(AZURE)
    before = tomllib.loads(AZURE)["model_providers"]["azure"]
    assert upstream == "https://x.openai.azure.com/openai"
    assert after["model_providers"]["lanes"] == before | {"base_url": BASE, "name": "azure"}
    assert after["model_providers"]["azure"] == before


def test_F431_a_key_of_openai_goes_to_no_other_vendor() -> None:
    assert pointed(OTHER)[1]["model_providers"]["lanes"] == {"name": "O", "base_url": BASE}
    for text, upstream in (
        ("", "https://api.openai.com/v1"),
        ('openai_base_url = "https://eu.api.openai.com/v1/"\n', "https://eu.api.openai.com/v1"),
    ):
        where, after = pointed(text)
        assert where == upstream
        assert after["model_providers"]["lanes"]["requires_openai_auth"] is True


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (OTHER + 'wire_api = "chat"\n', "wire_api"),
        (OTHER + "supports_websockets = true\n", "WebSocket"),
        (OTHER + "since = 2026-01-01\n", "a date"),
        ('model_provider = "ollama"\n', "base_url"),
        ('[model_providers.openai]\nbase_url = "https://e.example"\n', "remove it"),
        ("model_providers = 3\n", "not a table"),
        ("model_provider = 3\n", "not a text"),
        ("a = " + "[" * 3000, "not TOML"),
    ],
)
def test_F431_what_is_not_understood_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        codex(text, BASE)


@pytest.mark.parametrize(
    "text",
    [
        'developer_instructions = """\n[Important]\nmodel_provider = "x"\n"""\n' + OTHER,
        'developer_instructions = """\n[Important]"""\n[profiles.w]\nmodel_provider = "x"\n',
        OTHER.replace('"o"\n', "'o' # \"here\"\r\n", 1),
        OTHER.replace("model_provider =", "  model_provider=", 1),
    ],
)
def test_F432_the_key_is_found_wherever_it_stands(text: str) -> None:
    before = tomllib.loads(text)
    after = pointed(text)[1]
    assert after.pop("model_provider") == "lanes"
    assert after["model_providers"].pop("lanes")["base_url"] == BASE
    before.pop("model_provider", None)
    assert after == ({"model_providers": {}} | before)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('model_provider = "o"\nmodel_providers = { o = { base_url = "https://o.example" } }\n', "one line"),
        (OTHER.replace("model_provider ", '"model_provider" ', 1), "one line"),
        ('profile = "w"\n[profiles.w]\nmodel_provider = "x"\n', "profile w"),
    ],
)
def test_F432_a_file_that_would_be_wrong_or_passed_by_is_not_changed(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        codex(text, BASE)


def test_F431_codex_without_a_file_is_guarded(home: Path) -> None:
    install(planned(PROGRAMS["codex"], port=8765, config=None, upstream=None, service=False), lambda: None)
    path = home / ".codex/config.toml"
    after = tomllib.loads(path.read_text())
    assert after["model_provider"] == "lanes"
    assert after["model_providers"]["lanes"]["base_url"].startswith("http://127.0.0.1:8765/g/codex/")
    assert load(home / ".config/lanes/lanes.toml").sources["codex"].provider.base_url == "https://api.openai.com/v1"
    undo(PROGRAMS["codex"], undone(PROGRAMS["codex"]), lambda unit: None)
    assert not path.exists()

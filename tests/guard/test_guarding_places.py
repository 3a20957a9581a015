"""``lanes guard`` finds the file that a program reads, and where its models are, as the program itself does."""

import json
from pathlib import Path
from typing import Any

import pytest

from lanes.base.errors import ConfigError
from lanes.guard.installing import Installation, install, planned
from lanes.guard.programs import PROGRAMS, openclaw_home

CHATGPT = "https://chatgpt.com/backend-api/codex"
MODELS = {"model": "anthropic/x", "provider": {"anthropic": {"options": {"baseURL": "https://o.example/v1"}}}}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "CODEX_HOME", "CLAUDE_CONFIG_DIR", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("OPENCODE_CONFIG", "OPENCLAW_CONFIG_PATH", "OPENCLAW_STATE_DIR", "OPENCLAW_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan(name: str) -> Installation:
    return planned(PROGRAMS[name], port=8765, config=None, upstream=None, service=False)


def put(path: Path, value: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def test_F1000_an_address_of_the_environment_is_where_the_models_of_claude_are(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file comes before its environment: the key of that host would go to another one."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://proxy.example/")
    assert plan("claude").upstream == "https://proxy.example/v1"
    put(home / ".claude/settings.json", {"env": {"ANTHROPIC_BASE_URL": "https://set.example"}})
    assert plan("claude").upstream == "https://set.example/v1"


def test_F1001_claude_that_asks_a_cloud_is_not_guarded(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would pass lanes by, and the command would say that it is guarded."""
    settings = put(home / ".claude/settings.json", {"env": {"CLAUDE_CODE_USE_VERTEX": "true"}})
    with pytest.raises(ConfigError, match=r"settings\.json: CLAUDE_CODE_USE_VERTEX is set"):
        plan("claude")
    put(settings, {"env": {"CLAUDE_CODE_USE_BEDROCK": "0"}})
    monkeypatch.setenv("CLAUDE_CODE_USE_BEDROCK", "1")
    assert plan("claude").upstream == "https://api.anthropic.com/v1", "its file comes before"
    settings.unlink()
    with pytest.raises(ConfigError, match="CLAUDE_CODE_USE_BEDROCK is set"):
        plan("claude")


@pytest.mark.parametrize("text", ["// mine\n{}", '{"env": {},}'])
def test_F1006_a_file_that_claude_does_not_read_is_not_changed(home: Path, text: str) -> None:
    """It leaves the whole file out, and would pass lanes by."""
    path = put(home / ".claude/settings.json", {})
    path.write_text(text)
    with pytest.raises(ConfigError, match="only plain JSON"):
        plan("claude")


@pytest.mark.parametrize("name", ["opencode.jsonc", "opencode.json", "config.json"])
def test_F1002_the_file_of_opencode_is_the_one_that_names_its_models(home: Path, name: str) -> None:
    """opencode makes an opencode.jsonc by itself, with nothing but its schema."""
    folder = home / ".config/opencode"
    put(folder / "opencode.jsonc", {"$schema": "https://opencode.ai/config.json"})
    path = put(folder / name, MODELS)
    made = plan("opencode")
    assert made.upstream == "https://o.example/v1"
    install(made, lambda: None)
    assert made.token in path.read_text()


def test_F1002_so_is_one_that_its_environment_names(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(home / "mine.json", MODELS)
    monkeypatch.setenv("OPENCODE_CONFIG", str(path))
    assert plan("opencode").changes[-1].path == path


def test_F1002_of_two_files_that_opencode_reads_together_none_is_changed(home: Path) -> None:
    """What stands in the other one may come before it, and would pass lanes by."""
    folder = home / ".config/opencode"
    for name, part in zip(("opencode.json", "opencode.jsonc"), ("model", "provider"), strict=True):
        put(folder / name, {part: MODELS[part]})
    with pytest.raises(ConfigError, match=r"opencode\.json and .*/opencode\.jsonc together"):
        plan("opencode")
    (folder / "opencode.json").write_text("{")
    with pytest.raises(ConfigError, match=r"opencode\.json: line 1 cannot be read"):
        plan("opencode")


@pytest.mark.parametrize(
    ("login", "upstream"),
    [
        ({"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "tokens": {"access_token": "x"}}, CHATGPT),
        ({"OPENAI_API_KEY": None, "tokens": {"access_token": "x"}}, CHATGPT),
        ({"auth_mode": "apikey", "OPENAI_API_KEY": "x"}, "https://api.openai.com/v1"),
        ({"OPENAI_API_KEY": "x", "tokens": {"access_token": "x"}}, "https://api.openai.com/v1"),
        ([], "https://api.openai.com/v1"),
    ],
)
def test_F1003_a_login_of_chatgpt_is_no_key_of_openai(home: Path, login: object, upstream: str) -> None:
    put(home / ".codex/auth.json", login)
    made = plan("codex")
    assert made.upstream == upstream
    (home / ".codex/config.toml").write_text('openai_base_url = "https://o.example/v1"\n')
    assert plan("codex").upstream == "https://o.example/v1"


@pytest.mark.parametrize(
    ("variables", "path"),
    [
        ({}, "h/.openclaw/openclaw.json"),
        ({"OPENCLAW_STATE_DIR": "~/state"}, "h/state/openclaw.json"),
        ({"OPENCLAW_HOME": "other"}, "other/.openclaw/openclaw.json"),
        ({"OPENCLAW_HOME": "~", "OPENCLAW_STATE_DIR": " "}, "h/.openclaw/openclaw.json"),
        ({"OPENCLAW_STATE_DIR": "x", "OPENCLAW_CONFIG_PATH": "~/c.json"}, "h/c.json"),
    ],
)
def test_F1004_the_file_of_openclaw_is_where_its_variables_put_it(
    home: Path, variables: dict[str, str], path: str
) -> None:
    found = openclaw_home({"HOME": str(home / "h")} | variables, home)
    assert found.config == home / path


def test_F1004_the_file_that_is_changed_is_that_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(home / "state/openclaw.json", {"agents": {"defaults": {"model": "anthropic/x"}}})
    monkeypatch.setenv("OPENCLAW_STATE_DIR", str(home / "state"))
    assert plan("openclaw").changes[-1].path == path


def test_F1012_an_address_that_is_no_url_is_to_be_named(home: Path) -> None:
    """Programs put variables into their settings; the sentence named an entry of lanes.toml that there was not."""
    options = {"options": {"baseURL": "{env:MINE}/v1"}}
    put(home / ".config/opencode/opencode.json", {"model": "mine/x", "provider": {"mine": options}})
    with pytest.raises(ConfigError, match=r"opencode\.json: '\{env:MINE\}/v1' is not an address .* --upstream"):
        plan("opencode")


@pytest.mark.parametrize("include", ["./models.json5", ["./a.json5", "./b.json5"]])
def test_F1013_what_openclaw_includes_is_not_taken_for_nothing(home: Path, include: object) -> None:
    """Its key would go to the usual address of that account, whatever the included file says."""
    told: dict[str, Any] = {"agents": {"defaults": {"model": {"primary": "anthropic/x"}}}}
    path = put(home / ".openclaw/openclaw.json", told | {"models": {"$include": include}})
    with pytest.raises(ConfigError, match=r"set models\.providers\.anthropic\.baseUrl"):
        plan("openclaw")
    providers = {"anthropic": {"baseUrl": "https://o.example/v1"}}
    put(path, told | {"models": {"$include": include, "providers": providers}})
    assert plan("openclaw").upstream == "https://o.example/v1"

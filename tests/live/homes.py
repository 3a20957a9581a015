"""The settings of each agent in its home, so that it asks the simulated provider."""

import json
from collections.abc import Callable
from pathlib import Path

MODEL = "sim-ok"
CODEX = """
model = "{model}"
model_provider = "simulated"
[model_providers.simulated]
name = "simulated"
base_url = "{url}/v1"
wire_api = "responses"
stream_max_retries = 1
"""


def codex(home: Path, url: str) -> None:
    """Its provider is part of its configuration."""
    _write(home / ".codex" / "config.toml", CODEX.format(model=MODEL, url=url))


def claude(home: Path, url: str) -> None:
    """Its settings hold environment variables, and what its tools may do without asking."""
    more = {"CLAUDE_CODE_MAX_RETRIES": "1", "DISABLE_AUTOUPDATER": "1", "DISABLE_TELEMETRY": "1"}
    env = {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_MODEL": MODEL, "ANTHROPIC_API_KEY": "none", **more}
    _write(home / ".claude" / "settings.json", json.dumps({"env": env, "permissions": {"allow": ["Bash"]}}))


def opencode(home: Path, url: str) -> None:
    """Its provider is an npm package that it has within it."""
    model = {"name": MODEL, "limit": {"context": 100_000, "output": 10_000}}
    options = {"baseURL": f"{url}/v1", "apiKey": "none"}
    provider = {"npm": "@ai-sdk/openai-compatible", "name": "simulated", "options": options, "models": {MODEL: model}}
    named = f"simulated/{MODEL}"
    settings = {"model": named, "small_model": named, "autoupdate": False, "provider": {"simulated": provider}}
    _write(home / "config" / "opencode" / "opencode.json", json.dumps(settings))


def gemini(home: Path, url: str) -> None:
    """It reads a file of environment variables."""
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
        "general": {"enableAutoUpdate": False},
        "model": {"name": MODEL},
    }
    _write(home / ".gemini" / "settings.json", json.dumps(settings))
    _write(home / ".gemini" / ".env", f"GOOGLE_GEMINI_BASE_URL={url}\nGEMINI_API_KEY=none\n")


def hermes(home: Path, url: str) -> None:
    """Its account is a part of its model."""
    model = {"provider": "custom", "default": MODEL, "base_url": f"{url}/v1", "api_key": "none"}
    _write(home / ".hermes" / "config.yaml", "model:\n" + "".join(f"  {name}: {model[name]}\n" for name in model))


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


HOMES: dict[str, Callable[[Path, str], None]] = {
    "codex": codex, "claude": claude, "opencode": opencode, "gemini": gemini, "hermes": hermes
}  # fmt: skip

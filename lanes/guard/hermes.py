"""Points hermes at lanes. Its file is YAML: this reads one block of it line by line, and refuses anything unusual."""

import re
from collections.abc import Mapping

from lanes.base.errors import ConfigError
from lanes.config.reading.sources import is_near
from lanes.guard.jsontext import Edit
from lanes.guard.pointing import Pointing

_MODEL = re.compile(r"""^["']?model["']?[ \t]*:""", re.MULTILINE)
_DOCUMENT = re.compile(r"^(?:---|\.\.\.)", re.MULTILINE)
#: The lines below ``model:`` that are indented, empty, or comments.
_BLOCK = re.compile(r"^model:[ \t]*(?:#[^\n]*|\r)?\n((?:[ \t]+[^\n]*\n?|\r?\n|#[^\n]*\n?)*)", re.MULTILINE)
_LINE = re.compile(r"^([ \t]+)([^\s#][^\r\n]*)", re.MULTILINE)
_COMMENT = r"(?:[ \t]+(?:#.*)?)?"
#: A setting, or an item of a list, that ends on its line or goes on only in lines that are indented more.
_WHOLE = re.compile(
    r"""(?:-(?:[ \t]+|$))?(?:[\w.-]+:(?:[ \t]+|$))?"""
    r"""(?:"[^"\\]*"|'[^']*'|[|>][+-]?|\[[^][{}"'#]*\]|\{[^][{}"'#]*\}|[\w./~+$-](?:[^:#]|:(?!\s)|(?<!\s)#)*)?"""
    + _COMMENT
)
_SETTING = re.compile(r"""(provider|api_key|api):[ \t]+(["']?)([^"'#]*?)\2""" + _COMMENT)
#: Providers with which hermes 0.19 uses `model.base_url`, with the key in the file or one chosen by the URL's host.
_BY_THE_HOST = frozenset({"auto", "custom", "ollama", "vllm", "llamacpp", "llama.cpp", "llama-cpp"})
#: Providers with which it uses that address, with their own key. With any other, such as an alias of one of these
#: (`kimi`), it uses a built-in address.
_WITH_THEIR_KEY = frozenset(
    {
        *("alibaba", "alibaba-coding-plan", "arcee", "azure-foundry", "deepinfra", "deepseek", "fireworks", "gemini"),
        *("gmi", "huggingface", "kilocode", "kimi-coding", "kimi-coding-cn", "lmstudio", "minimax", "minimax-cn"),
        *("novita", "nvidia", "ollama-cloud", "openai-api", "opencode-go", "opencode-zen", "stepfun"),
        *("tencent-tokenhub", "upstage", "xiaomi", "zai"),
    }
)
#: If `model.base_url` is one of these, `auto` asks any provider of which hermes has a key.
_CLOUD = re.compile(
    r"https?://(?:[^/@]*@)?(?:[\w.-]+\.)?(?:openrouter\.ai|anthropic\.com|openai\.com)(?:[:/]|$)", re.IGNORECASE
)
_URL = re.compile(r"""base_url:[ \t]+(?P<quote>["']?)(?P<url>https?://[^\s"'#\\]+)(?P=quote)""" + _COMMENT)


def hermes(text: str, base: str) -> Pointing:
    """How to point hermes at ``base``, from the text of its file. Raises ConfigError if not exactly understood."""
    block = _BLOCK.search(text)
    if block is None or len(_MODEL.findall(text)) != 1 or _DOCUMENT.search(text, block.start()):
        raise _refused()
    lines = list(_LINE.finditer(text, block.start(1), block.end(1)))
    indent = lines[0][1] if lines else ""
    own = [line for line in lines if len(line[1]) <= len(indent)]
    if "\t" in indent or any(line[1] != indent or _WHOLE.fullmatch(line[2]) is None for line in own):
        raise _refused()
    settings = [line for line in own if line[2].startswith("base_url:")]
    value = _URL.fullmatch(text, settings[0].start(2), settings[0].end()) if len(settings) == 1 else None
    if value is None:
        raise _refused()
    _check(value["url"], {found[1]: found[3].strip() for line in own if (found := _SETTING.fullmatch(line[2]))})
    return Pointing(value["url"].rstrip("/"), [Edit(*value.span("url"), base)])


def _check(url: str, settings: Mapping[str, str]) -> None:
    """Raises ConfigError if hermes would ignore another address, or use it without its key."""
    provider = settings.get("provider", "").lower() or "auto"
    if provider not in _BY_THE_HOST | _WITH_THEIR_KEY or (provider == "auto" and _CLOUD.match(url)):
        raise ConfigError(
            f"with the provider {provider}, hermes uses its own address, not model.base_url; set "
            "model.provider to custom, with model.base_url and model.api_key, first"
        )
    if provider in _BY_THE_HOST and not (settings.get("api_key") or settings.get("api") or is_near(url)):
        raise ConfigError(
            "hermes chooses its key by the host of model.base_url, and would send none to lanes; set model.api_key, "
            'such as to "${NAME_API_KEY}", first'
        )


def _refused() -> ConfigError:
    return ConfigError(
        "hermes has no model.base_url in its file, or its block `model:` does not have one setting per line, as lanes "
        "needs; set it with `hermes config set model.base_url URL` first, or change it by hand"
    )

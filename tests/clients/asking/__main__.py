"""``python -m tests.clients.asking URL RESULTS``: every client asks the gateway at URL; the results go to a file."""

import json
import sys
import traceback
from pathlib import Path

from tests.clients.asking import (
    anthropic_asks,
    langchain_asks,
    litellm_asks,
    llm_asks,
    openai_asks,
    pydantic_ai_asks,
)
from tests.clients.asking.scene import FEATURES, PROVIDERS, Way

MODULES = (openai_asks, anthropic_asks, llm_asks, langchain_asks, litellm_asks, pydantic_ai_asks)
WAYS: tuple[Way, ...] = tuple(way for module in MODULES for way in module.WAYS)
YES = "yes"


def main(url: str, results: str) -> None:
    """Ask everything, and write a row for each client and route."""
    rows = []
    for way in WAYS:
        client, row = way.made(url), [way.client, way.version, way.route]
        for feature in FEATURES:
            row.append(_asked(way, client, feature))
            sys.stdout.write(f"{way.client} {way.route}: {feature}: {row[-1]}\n")
        rows.append(row)
    Path(results).write_text(json.dumps(rows), encoding="utf-8")


def _asked(way: Way, client: object, feature: str) -> str:
    ask = way.asks[feature]
    if isinstance(ask, str):
        return ask
    failed = []
    for provider in PROVIDERS:
        for stream in (False, True):
            try:
                ask(client, provider, stream)
            except Exception:
                failed.append(f"{provider}{' streamed' if stream else ''}")
                traceback.print_exc()
    return f"no: {', '.join(failed)}" if failed else YES


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The official client of the API of OpenAI, before a gateway or a simulated provider."""

import openai

from tests.kit.until import PATIENCE_S


def official_client(base_url: str, api_key: str = "unused", *, max_retries: int = 2) -> openai.AsyncOpenAI:
    """Asks at ``base_url``. No certificates are read: that would take longer than most tests."""
    http = openai.DefaultAsyncHttpxClient(verify=False, timeout=PATIENCE_S)
    return openai.AsyncOpenAI(
        base_url=base_url, api_key=api_key, timeout=PATIENCE_S, http_client=http, max_retries=max_retries
    )

"""The responses dialect: OpenAI's ``/v1/responses``."""

from collections.abc import Mapping
from typing import Any

from lanes.dialects.chat.writer import envelope
from lanes.dialects.dialect import Dialect
from lanes.dialects.model import Untranslatable
from lanes.dialects.responses import requests, writer
from lanes.dialects.responses.draft import ResponsesDraft


def _check(body: Mapping[str, Any]) -> None:
    if body.get("background"):
        raise Untranslatable("background", "background: an answer belongs to its connection; see X-Lanes-Detach")
    given = body.get("input")
    if not given and not body.get("prompt"):
        raise Untranslatable("input", "input must be a text, or a list of at least one item")
    if not isinstance(given, str | None) and not (
        isinstance(given, list) and all(isinstance(each, dict) for each in given)
    ):
        raise Untranslatable("input", "input must be a text or a list of items")


RESPONSES = Dialect(
    name="responses",
    route="responses",
    check=_check,
    read=requests.read,
    write=lambda prompt, _: requests.write(prompt),
    asks=lambda model: {"model": model, "stream": True},
    draft=ResponsesDraft,
    writer=writer.ResponsesWriter,
    envelope=envelope,
    key="authorization",
    headers={},
)

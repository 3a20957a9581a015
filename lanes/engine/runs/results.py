"""Converts the result of a run's body to what can be stored. It handles everything that a runner can return or
raise."""

import asyncio
from typing import Any, NamedTuple

from lanes.base import arguments
from lanes.base.errors import RunError, RunParked, Unfit, failure_of_error
from lanes.base.sentences import chain_of, failure_of, sentence
from lanes.conversations.turns import kept
from lanes.engine.background.isolation import trace_of
from lanes.runners.base import Reply
from lanes.runners.http.failures import NoRoom
from lanes.runners.usage import MICROS, run_usage
from lanes_storage.clock import Now
from lanes_storage.law import Cause
from lanes_storage.logs import Log
from lanes_storage.records import RunFailure, RunResult

log = Log("lanes.run")

#: The shortest park: a park until a time in the past would be a retry loop without a pause.
LEAST_PARK_MS = 1_000


class Parking(NamedTuple):
    """The message must wait until a wall time, or until one of ``providers`` is reset; with None, until any process has
    a free slot for it, which counts towards no limit."""

    until: int | None
    failure: RunFailure
    providers: tuple[str, ...] = ()


def result_of(body: "asyncio.Task[Any]", about: str, now: Now) -> RunResult | Parking | RunFailure:
    """The result of a body that was not cancelled. ``about`` names its run in the log."""
    try:
        error = body.exception()
        return to_answer(body.result()) if error is None else _raised(error, about, now)
    except BaseException as wrong:  # the object may not be what its type says, and its code may raise anything
        text = str(wrong) if type(wrong) is Unfit else sentence(wrong)  # of others the type says more than the text
        return failure_of(Cause.RUNNER_FAILED, f"the result of its runner cannot be stored: {text}")


def to_answer(result: object) -> RunResult:
    """The reply of a runner, as it is stored. Raises Unfit if it, or a part of it, is not valid."""
    if isinstance(result, str):
        return RunResult(arguments.text(result, "a reply"))
    if not isinstance(result, Reply):
        raise Unfit(f"the runner returned {type(result).__name__}, neither a str nor a Reply")
    detail: dict[str, Any] = {
        "finish_reason": arguments.text(result.finish_reason, "Reply.finish_reason", arguments.LONGEST_NAME),
        "message": arguments.dict_or_none(result.message, "Reply.message"),
        "usage": arguments.dict_or_none(result.usage, "Reply.usage"),
        "model": arguments.text_or_none(result.model, "Reply.model", arguments.LONGEST_NAME),
        "provider": arguments.text_or_none(result.provider, "Reply.provider", arguments.LONGEST_NAME),
        "more": arguments.dict_or_none(result.more, "Reply.more"),
        "native": arguments.dict_or_none(result.native, "Reply.native"),
    }
    if left_out := arguments.count(result.left_out, "Reply.left_out"):
        detail["left_out"] = left_out
    usage = run_usage(detail["usage"], arguments.amount_or_none(result.cost_usd, "Reply.cost_usd"))
    if usage is not None and usage.cost_micros is not None:
        detail["cost_usd"] = usage.cost_micros / MICROS
    attempts = chain_of(result.attempts)
    names = ("provider", "model", "usage", "left_out", "cost_usd")
    journalled = {name: detail[name] for name in names if detail.get(name) is not None}
    messages = None if result.message is None and result.turn is None else kept(result.message, _turn(result.turn))
    return RunResult(
        arguments.text(result.text, "Reply.text"),
        arguments.json_text(detail, "what stands in the Reply"),
        attempts,
        journalled | ({"attempts": [f"{each.provider}: {each.cause}" for each in attempts]} if attempts else {}),
        None if messages is None else arguments.json_text(messages, "Reply.turn"),
        None if result.tokens is None else arguments.count(result.tokens, "Reply.tokens"),
        usage,
    )


def _turn(messages: object) -> list[dict[str, Any]] | None:
    if messages is None:
        return None
    if not isinstance(messages, list | tuple) or not all(isinstance(each, dict) for each in messages):
        raise Unfit("Reply.turn must be a sequence of chat messages")
    return list(messages)


def _raised(error: BaseException, about: str, now: Now) -> Parking | RunFailure:
    failure = failure_of_error(error)
    if isinstance(error, NoRoom):
        return Parking(None, failure)
    if isinstance(error, RunParked):
        until = max(arguments.until_ms(error.until, now), now.wall + LEAST_PARK_MS)
        return Parking(until, failure, tuple(arguments.text(each, "a provider") for each in error.providers))
    if failure.cause is Cause.RUNNER_FAILED and not isinstance(error, RunError):
        log.warning("%s: its runner raised\n%s", about, trace_of(error))
    return failure

"""What a provider says when it refuses, and what that is called here."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from lanes.runners.http.failures import LONGEST_SENTENCE, LONGEST_WAIT_MS, from_error, from_response, retry_after_ms
from lanes_storage.law import AttemptCause


def error(**fields: Any) -> bytes:
    return json.dumps({"error": {"message": "no", **fields}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "cause"),
    [
        (429, error(code="insufficient_quota", type="insufficient_quota"), AttemptCause.QUOTA),
        (429, error(type="insufficient_quota", code=None), AttemptCause.QUOTA),
        (402, b"", AttemptCause.QUOTA),
        (429, error(code="rate_limit_exceeded", type="requests"), AttemptCause.RATE_LIMITED),
        (429, b"slow down", AttemptCause.RATE_LIMITED),
        (401, error(type="invalid_request_error", code="invalid_api_key"), AttemptCause.AUTH),
        (401, error(type="invalid_request_error"), AttemptCause.AUTH),
        (403, b"", AttemptCause.AUTH),
        (400, error(type="invalid_request_error", code="context_length_exceeded"), AttemptCause.CONTEXT_OVERFLOW),
        (400, json.dumps({"message": "This model's maximum context length is 4096 tokens"}).encode(),
         AttemptCause.CONTEXT_OVERFLOW),
        (413, b"", AttemptCause.CONTEXT_OVERFLOW),
        (413, error(code="rate_limit_exceeded", type="tokens"), AttemptCause.CONTEXT_OVERFLOW),  # Groq
        (429, error(code="rate_limit_exceeded", type="tokens", message="Request too large for gpt-4o in org org-1 on"
         " tokens per min (TPM): Limit 30000, Requested 44422. The input or output tokens must be reduced to run"
         " successfully. Visit …"), AttemptCause.CONTEXT_OVERFLOW),  # OpenAI
        (429, error(code="rate_limit_exceeded", type="tokens", message="Rate limit reached for gpt-4o on tokens per min"
         " (TPM): Limit 30000, Used 29000, Requested 4422. Please try again in 6s."), AttemptCause.RATE_LIMITED),
        (400, json.dumps({"type": "error", "error": {"type": "invalid_request_error", "message":
         "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."}}).encode(),
         AttemptCause.QUOTA),
        (400, error(type="invalid_request_error"), AttemptCause.BAD_REQUEST),
        (400, b"[]", AttemptCause.BAD_REQUEST),
        (404, error(code="model_not_found"), AttemptCause.BAD_REQUEST),
        (422, json.dumps({"detail": [{"msg": "field required"}]}).encode(), AttemptCause.BAD_REQUEST),
        (301, b"", AttemptCause.BAD_REQUEST),
        (503, b"", AttemptCause.SERVER_ERROR),
        (529, error(type="overloaded_error"), AttemptCause.OVERLOADED),
        (500, error(type="overloaded_error"), AttemptCause.OVERLOADED),
        (503, error(type="server_error", code="slow_down"), AttemptCause.OVERLOADED),
        (500, error(type="server_error"), AttemptCause.SERVER_ERROR),
        (502, b"<html>Bad Gateway</html>", AttemptCause.SERVER_ERROR),
        (408, b"", AttemptCause.SERVER_ERROR),
        (204, b"", AttemptCause.GARBAGE),
        (400, json.dumps([{"error": {"code": 400, "message": "list", "status": "INVALID_ARGUMENT"}}]).encode(),
         AttemptCause.BAD_REQUEST),
    ],
)  # fmt: skip
def test_F930_F935_F1031_each_answer_has_its_cause(status: int, body: bytes, cause: AttemptCause) -> None:
    assert from_response(status, body, None).cause is cause


@pytest.mark.parametrize(
    "said",
    [
        "This model's maximum context length is 4097 tokens",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "Input is too long for requested model.",
        "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",
        "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
        "prompt token count of 130000 exceeds the limit of 128000",
        "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
        "too many tokens: total number of tokens in the prompt cannot exceed 4081",
        "Invalid request: Your request exceeded model token limit: 131072",
        "Prompt exceeds max length",
        "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens",
        "the request exceeds the available context size, try increasing it",
        "input length and `max_tokens` exceed context limit: 199000 + 21000 > 200000",
        "Input validation error: `inputs` must have less than 4096 tokens. Given: 5000",
        "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 129024]",
    ],
)
def test_F582_a_conversation_that_is_too_long_is_known_by_the_words_of_each_provider(said: str) -> None:
    assert from_response(400, json.dumps({"message": said}).encode(), None).cause is AttemptCause.CONTEXT_OVERFLOW


@pytest.mark.parametrize(
    "said",
    [
        "max_tokens: 99999 > 8192, which is the maximum allowed number of output tokens",
        "max_tokens (99999) exceeds the limit of 8192",
        "The maximum tokens you requested exceeds the model limit of 8192.",
        "invalid access token",
    ],
)
def test_F582_other_refusals_that_speak_of_tokens_are_no_overflow(said: str) -> None:
    assert from_response(400, json.dumps({"message": said}).encode(), None).cause is AttemptCause.BAD_REQUEST


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ({"error": {"type": "overloaded_error", "message": "Overloaded"}}, AttemptCause.OVERLOADED),
        ({"type": "error", "error": {"type": "overloaded_error"}}, AttemptCause.OVERLOADED),
        ({"error": {"code": "server_is_overloaded", "message": "try again"}}, AttemptCause.OVERLOADED),  # F935: OpenAI
        ({"error": {"code": "slow_down", "message": "try again"}}, AttemptCause.OVERLOADED),
        ({"error": {"code": "rate_limit_exceeded"}}, AttemptCause.RATE_LIMITED),
        ({"error": {"code": 429, "message": "slow down"}}, AttemptCause.RATE_LIMITED),
        ({"error": {"code": "502"}}, AttemptCause.SERVER_ERROR),
        ({"error": {"code": "context_length_exceeded"}}, AttemptCause.CONTEXT_OVERFLOW),
        ({"error": {"type": "invalid_request_error"}}, AttemptCause.BAD_REQUEST),
        ({"error": {"type": "something_new"}}, AttemptCause.SERVER_ERROR),
        ({"error": "a plain word"}, AttemptCause.SERVER_ERROR),
        ({"code": "server_error", "message": "flat"}, AttemptCause.SERVER_ERROR),
    ],
)
def test_error_objects_under_status_200(said: Any, cause: AttemptCause) -> None:
    assert from_error(said).cause is cause


def test_the_sentence_is_the_providers_own_on_one_bounded_line() -> None:
    failure = from_response(500, error(message="two\nlines " + "x" * 2000), None)
    assert failure.message.startswith("HTTP 500: two lines xxx")
    failure.redact()
    assert len(failure.message) <= LONGEST_SENTENCE
    assert from_response(500, b"", None).message == "HTTP 500"
    assert from_response(500, b"\n <h1>\n gone\n", None).message == "HTTP 500: <h1> gone"


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ('{"type": "error", "error": {"message": "prompt is too long: 5 > 4"}}', "prompt is too long: 5 > 4"),
        ("prompt is too long", "prompt is too long"),
    ],
)
def test_F932_what_the_provider_behind_openrouter_said_is_told_and_judged(raw: str, sentence: str) -> None:
    behind = {"message": "Provider returned error", "code": 400, "metadata": {"raw": raw, "provider_name": "Anthropic"}}
    for failure in (from_response(400, error(**behind), None), from_error({"error": behind})):
        assert failure.message.endswith(f": Provider returned error: {sentence}")
        assert failure.cause is AttemptCause.CONTEXT_OVERFLOW
    assert from_response(400, error(message="said", metadata={"raw": None}), None).message == "HTTP 400: said"
    assert from_response(400, error(message="said", metadata=[raw]), None).message == "HTTP 400: said"


@pytest.mark.parametrize(
    "said",
    [
        "[{'type': 'missing', 'loc': ('body', 'model'), 'input': {'messages': [{'content': 'a context window?'}]}}]",
        "1 validation error for Chat\nn\n  Input should be a valid integer [input_value='too many tokens']",
    ],
)
def test_F1032_what_a_server_repeats_of_a_request_says_nothing_of_its_length(said: str) -> None:
    raw = json.dumps({"detail": [{"msg": "Field required", "input": {"messages": [{"content": said}]}}]})
    for body in (error(message=said), error(message="Provider returned error", metadata={"raw": raw})):
        assert from_response(400, body, None).cause is AttemptCause.BAD_REQUEST


def test_a_sentence_with_half_a_character_can_be_stored() -> None:
    said = from_response(500, rb'{"error": {"message": "half \ud83d"}}', None).message
    assert said == "HTTP 500: half �"


NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOW_MS = round(NOW.timestamp() * 1000)


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("30", 30_000),
        ("1.5", 1_500),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90_000),
        ("999999999999", LONGEST_WAIT_MS),
        ("inf", LONGEST_WAIT_MS),
        ("nan", None),
        ("0", None),  # a retry in a loop; the doubling wait is kinder
        ("-5", None),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after(header: str | None, wait: int | None) -> None:
    assert retry_after_ms(header, NOW_MS) == wait


@pytest.mark.parametrize("said", [f"{'9' * 30}:00:00 GMT", f"07:28:00 +{'9' * 30}"])
def test_F731_a_moment_that_no_calendar_has_names_no_wait(said: str) -> None:
    assert retry_after_ms(f"Wed, 21 Oct 2026 {said}", NOW_MS) is None


def test_refusals_to_everybody_keep_the_wait() -> None:
    assert from_response(429, b"", 7_000).retry_after_ms == 7_000
    assert from_response(429, error(code="insufficient_quota"), 7_000).retry_after_ms == 7_000
    assert from_response(500, b"", 7_000).retry_after_ms is None


def test_503_is_too_much_to_do_only_where_it_says_when_that_is_over() -> None:
    said = from_response(503, b"", 7_000)
    assert (said.cause, said.retry_after_ms) == (AttemptCause.OVERLOADED, 7_000)
    assert from_response(503, error(type="overloaded_error"), None).cause is AttemptCause.OVERLOADED
    assert from_response(529, error(type="overloaded_error"), None).cause is AttemptCause.OVERLOADED

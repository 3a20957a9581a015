"""The judge of failed attempts, as a table: whose a failure is, and what follows for the provider."""

import pytest

from lanes.runners.http.failures import AttemptFailed, Words
from lanes.runners.providers.judge import QUOTA_MS, AtFault, FailureJudgement, ProviderEvidence, judge
from lanes_storage.law import AttemptCause

REFUSES, FAILS, STAYS, WAITS, OWN = AtFault

#: The cause, the status, when to come again, what is known; whose it is, and how long the provider cools.
TABLE: list[tuple[str, int | None, int | None, ProviderEvidence, AtFault, int | None]] = [
    ("unreachable", None, None, ProviderEvidence(), REFUSES, None),
    ("connect_timeout", None, None, ProviderEvidence(), REFUSES, None),
    ("rate_limited", 429, None, ProviderEvidence(), REFUSES, None),
    ("rate_limited", 429, 5_000, ProviderEvidence(), REFUSES, 5_000),
    ("rate_limited", 429, None, ProviderEvidence(again=True, refusals=1), REFUSES, None),
    ("rate_limited", 429, 7_000, ProviderEvidence(again=True, refusals=1, served=True), WAITS, 7_000),
    ("rate_limited", 429, None, ProviderEvidence(again=True, served=True), WAITS, None),
    ("rate_limited", 429, None, ProviderEvidence(again=True, refusals=4, served=True, full=True), REFUSES, None),
    ("rate_limited", 429, None, ProviderEvidence(again=True, served=True, refusals=3), WAITS, None),
    ("rate_limited", 429, None, ProviderEvidence(again=True, refusals=4), REFUSES, None),
    ("rate_limited", 429, 5_000, ProviderEvidence(again=True, refusals=4, served=True), OWN, None),
    ("overloaded", 529, None, ProviderEvidence(), REFUSES, None),
    ("overloaded", 503, 7_000, ProviderEvidence(), REFUSES, 7_000),
    ("quota", 429, None, ProviderEvidence(), REFUSES, QUOTA_MS),
    ("quota", 403, None, ProviderEvidence(), REFUSES, QUOTA_MS),
    ("quota", 402, 90_000, ProviderEvidence(), REFUSES, 90_000),
    ("quota", 429, 1_000, ProviderEvidence(), REFUSES, QUOTA_MS),
    ("quota", 402, None, ProviderEvidence(again=True, refusals=4), REFUSES, QUOTA_MS),
    ("quota", 402, None, ProviderEvidence(again=True, refusals=1, served=True), WAITS, QUOTA_MS),
    ("quota", 402, None, ProviderEvidence(again=True, refusals=4, served=True), OWN, None),
    ("auth", 401, None, ProviderEvidence(), OWN, None),
    ("auth", 403, None, ProviderEvidence(), OWN, None),
    ("auth", 401, None, ProviderEvidence(several=True), REFUSES, None),
    ("auth", 403, None, ProviderEvidence(refuses=True), REFUSES, None),
    ("auth", None, None, ProviderEvidence(several=True), REFUSES, None),
    ("bad_request", 404, None, ProviderEvidence(), OWN, None),
    ("bad_request", 404, None, ProviderEvidence(several=True), REFUSES, None),
    ("bad_request", 400, None, ProviderEvidence(several=True), OWN, None),
    ("bad_request", 422, None, ProviderEvidence(several=True), OWN, None),
    ("context_overflow", 413, None, ProviderEvidence(), OWN, None),
    ("context_overflow", 400, None, ProviderEvidence(), OWN, None),
    ("server_error", 500, None, ProviderEvidence(), FAILS, None),
    ("server_error", 503, None, ProviderEvidence(), FAILS, None),
    ("server_error", None, None, ProviderEvidence(), FAILS, None),
    ("first_byte_timeout", None, None, ProviderEvidence(), FAILS, None),
    ("idle_timeout", None, None, ProviderEvidence(), FAILS, None),
    ("reset", None, None, ProviderEvidence(), FAILS, None),
    ("cut", None, None, ProviderEvidence(), FAILS, None),
    ("garbage", None, None, ProviderEvidence(), FAILS, None),
    ("server_error", 502, None, ProviderEvidence(down=True), STAYS, None),
    ("first_byte_timeout", None, None, ProviderEvidence(down=True), STAYS, None),
    ("bad_request", 400, None, ProviderEvidence(down=True), OWN, None),
    ("auth", 401, None, ProviderEvidence(down=True), OWN, None),
]


@pytest.mark.parametrize(("cause", "status", "after_ms", "known", "fault", "for_ms"), TABLE)
def test_whose_a_failure_is(
    cause: str, status: int | None, after_ms: int | None, known: ProviderEvidence, fault: AtFault, for_ms: int | None
) -> None:
    failure = AttemptFailed(AttemptCause(cause), "no", after_ms, Words(status))
    assert judge(failure, known) == FailureJudgement(fault, for_ms)


def test_every_cause_is_in_the_table() -> None:
    assert {cause for cause, *_ in TABLE} == set(AttemptCause)

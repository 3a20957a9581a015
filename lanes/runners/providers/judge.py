"""Judges whether a failed attempt is about the provider or about the one message, in one pure function.

A message waits (its run parks) only if every attempt of its chain was a refusal to everybody; any other failure ends it
``failed`` once its chain is exhausted, unless a policy retries it.
"""

from enum import StrEnum
from typing import NamedTuple

from lanes.runners.http.failures import AttemptFailed
from lanes_storage.law import AttemptCause

#: The provider never got the request, so the failure says nothing about it.
NOT_SENT = frozenset({AttemptCause.UNREACHABLE, AttemptCause.CONNECT_TIMEOUT})
#: Refusals of the request, which say nothing about the provider.
OF_THE_REQUEST = frozenset({AttemptCause.BAD_REQUEST, AttemptCause.CONTEXT_OVERFLOW})
#: Statuses that may refuse either the provider's key or model for everybody, or only the text of this request.
DOUBTFUL = frozenset({401, 403, 404})
#: Causes for which a provider may cool although a single message is at fault. A message with such a refusal is tried
#: again only after those of other lanes, which show which of the two is the case.
OF_ONE_OR_ALL = frozenset({AttemptCause.AUTH, AttemptCause.BAD_REQUEST, AttemptCause.QUOTA})
#: The fifth refusal (429, quota) of one message since the provider last began to cool is the message's own fault, if
#: another message was served since the one before. Fewer may be chance: an overloaded provider may refuse any message.
OWN_REFUSALS = 5
#: How long an exhausted quota cools at least, in milliseconds: time alone does not end it.
QUOTA_MS = 60_000


class AtFault(StrEnum):
    """Who is at fault, and what follows."""

    REFUSES = "refuses"  # the provider refuses everybody for now: it cools, and the message waits
    FAILS = "fails"  # the provider failed: it is tried last for a while, and the message fails with its chain
    STAYS = "stays"  # a probe failed after an outage: the provider cools again, and the message fails with its chain
    WAITS = "waits"  # only this message waits: another one was served since it was refused in the same way
    OWN = "own"  # the message's own: nothing follows for the provider


class ProviderEvidence(NamedTuple):
    """What is known at the time of a failure.

    ``several``: another lane got a doubtful refusal, too, and none was served since: the messages are not all at fault.
    ``refuses``: the provider already cools for this cause. ``again``: it refused this very message before,
    ``waited_ms`` ago; ``refusals``: how many runs of the message it refused since it last began to cool. ``served``: it
    answered another message since the last of these refusals, and since it cooled. ``full``: it had more requests than
    it is known to answer at a time, so it would have refused any message. ``down``: it had cooled after an outage when
    it was asked, and has answered none since.
    """

    several: bool = False
    refuses: bool = False
    again: bool = False
    refusals: int = 0
    served: bool = False
    full: bool = False
    waited_ms: int = 0
    down: bool = False


class FailureJudgement(NamedTuple):
    """A judgement. ``for_ms``: how long the provider cools; None: it doubles."""

    fault: AtFault
    for_ms: int | None = None


FAILS, OWN, REFUSES = FailureJudgement(AtFault.FAILS), FailureJudgement(AtFault.OWN), FailureJudgement(AtFault.REFUSES)
STAYS = FailureJudgement(AtFault.STAYS)


def judge(failure: AttemptFailed, known: ProviderEvidence) -> FailureJudgement:
    """Judge a failed attempt by what is known at its time."""
    if doubtful(failure):
        return REFUSES if known.refuses or known.several else OWN
    match failure.cause:
        case cause if cause in OF_THE_REQUEST:
            return OWN
        case AttemptCause.RATE_LIMITED | AttemptCause.QUOTA if known.served and known.again and not known.full:
            own = known.refusals + 1 >= OWN_REFUSALS
            return OWN if own else FailureJudgement(AtFault.WAITS, _for_ms(failure))
        case AttemptCause.RATE_LIMITED | AttemptCause.QUOTA | AttemptCause.OVERLOADED:
            return FailureJudgement(AtFault.REFUSES, _for_ms(failure))
        case cause if cause in NOT_SENT:
            return REFUSES
    return STAYS if known.down else FAILS


def _for_ms(failure: AttemptFailed) -> int | None:
    after_ms = failure.retry_after_ms
    return max(after_ms or 0, QUOTA_MS) if failure.cause is AttemptCause.QUOTA else after_ms


def doubtful(failure: AttemptFailed) -> bool:
    """Whether it is a refusal that may concern the provider's key or model, or only this message."""
    refused = failure.cause is AttemptCause.BAD_REQUEST and failure.words.status in DOUBTFUL
    return refused or failure.cause is AttemptCause.AUTH

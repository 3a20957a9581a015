"""Notices: what people are told about a message that did not end ``done``."""

from lanes_storage.law import AttemptCause, BoundTo, Cause, MessageState

#: The terminal states that have a notice. A message that ends ``done`` has its reply.
NOTED = frozenset({MessageState.FAILED, MessageState.ABORTED, MessageState.DROPPED})

#: What to do before a retry of a dead letter makes sense.
BEFORE_RETRY: dict[str, str] = {
    Cause.PROVIDER_FAILED: "see to the providers that its attempts name",
    Cause.PROVIDER_COOLING: "wait until a provider is available (`lanes status` says when)",
    Cause.RUN_TIMEOUT: "raise run_timeout for this lane if it needs longer",
    Cause.STALL_TIMEOUT: "see what its last progress was; raise stall_timeout for this lane if such silence is normal",
    Cause.RUNNER_FAILED: "fix the exception that the runner raised",
    Cause.BACKEND_LOST: "see that the runner's backend is up",
    Cause.OWNER_GONE: "check what the cut run had done already",
    Cause.OWNER_SILENT: "check what the cut run had done already",
    Cause.GHOST: "check what the cut run had done already",
    Cause.DRAINED: "check what the cut run had done already",
    Cause.POISON: "find out why the gateway died during its runs",
    Cause.EXPIRED: "see what its lane was busy with so long, or raise max_wait",
    Cause.OVER_BUDGET: "raise its budget, or wait until it is free again",
    Cause.NO_ANSWER: "see to it that somebody answers what its run asks (`lanes answer`)",
    Cause.WAIT_CYCLE: "let its runner not wait for a lane that waits for it",
}
#: Endings that a person requested, or that need no action.
NOTHING_TO_DO: dict[str, str] = {
    Cause.INTERRUPTED_BY_NEWER: "nothing to do: a newer message of its lane took its place",
    BoundTo.CLIENT.gone: "nothing to do: the client that asked has left",
    BoundTo.WAITER.gone: "nothing to do: the caller that waited has left",
}
#: What to do where the same message would end in the same way again.
INSTEAD_OF_RETRY: dict[str, str] = {
    AttemptCause.CONTEXT_OVERFLOW: "send a shorter text: no model of its runner can read so much",
}


def next_step(message: int, state: MessageState, cause: str | None, *, bound: bool = False) -> str:
    """What a person can do about a message that ended in ``state``, as a sentence.

    ``bound``: it belonged to a connection or a process, which was informed and repeats the request by itself.
    """
    if cause in NOTHING_TO_DO:
        return NOTHING_TO_DO[cause]
    before = BEFORE_RETRY.get(cause) if cause is not None else None
    if bound:
        return (f"{before}; " if before else "") + "its caller was told, and asks again if need be"
    if cause in INSTEAD_OF_RETRY:
        return INSTEAD_OF_RETRY[cause]
    if state is MessageState.FAILED:
        return (f"{before}, then " if before else "") + f"retry it with `lanes retry {message}`"
    if cause is Cause.OVERFLOW:
        return "send it again when fewer wait in its lane, or raise queue.cap"
    if state is MessageState.ABORTED:
        return f"retry it with `lanes retry {message}` if it is still wanted"
    return "send it again if it is still wanted"

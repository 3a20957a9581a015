"""Which bindings are ours, and what they say: for the help and the palette."""

from collections.abc import Iterator

from textual.binding import ActiveBinding, Binding


def is_ours(active: ActiveBinding) -> bool:
    """Whether a binding was made here, not by the toolkit, and does something just now."""
    actions = {binding.action for binding in own_bindings(type(active.node))}
    return active.enabled and bool(active.binding.description) and active.binding.action in actions


def said_of(binding: Binding) -> str:
    """The description of a binding."""
    return binding.tooltip or binding.description


def own_bindings(kind: type) -> Iterator[Binding]:
    """The bindings of a class and of those that it is made from, as far as they are ours."""
    for base in kind.__mro__:
        if base.__module__.startswith("lanes_tui"):
            yield from (each for each in base.__dict__.get("BINDINGS", ()) if isinstance(each, Binding))

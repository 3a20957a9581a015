"""Durations as people read them."""


def span(ms: float) -> str:
    """A duration in at most two units: ``850 ms``, ``12 s``, ``3m 10s``, ``2h 5m``, ``4d 1h``."""
    if ms < 1_000:
        return f"{max(0, round(ms))} ms"
    seconds = round(ms / 1_000)
    for unit, size, smaller, part in (("d", 86_400, "h", 3_600), ("h", 3_600, "m", 60), ("m", 60, "s", 1)):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            return f"{whole}{unit} {rest // part}{smaller}"
    return f"{seconds} s"


def ago(ms: float) -> str:
    """``3m 10s ago``."""
    return f"{span(ms)} ago"

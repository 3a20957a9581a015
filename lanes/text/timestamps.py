"""Wall time as programs read it."""

import time
from functools import lru_cache

from lanes.base.sentences import LAST_MOMENT

#: The first millisecond of the year 1000.
FIRST_MOMENT = -30_610_224_000_000


def moment(ms: int) -> str:
    """Wall time as RFC 3339, ``2026-01-31T08:00:00.250Z``."""
    if not FIRST_MOMENT <= ms <= LAST_MOMENT:  # a row may hold any number
        ms = FIRST_MOMENT if ms < FIRST_MOMENT else LAST_MOMENT
    return f"{_second(ms // 1000)}.{ms % 1000:03d}Z"


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    # Cached, since most moments that are shown together are of the same few seconds.
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))

"""Time as an argument: a clock that stands still until a test moves it by hand."""

from lanes_storage.clock import Now

#: In milliseconds, as all times of a clock.
SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

#: Where every hand-moved clock begins. The three times differ so much that mixing them up is noticed.
START = Now(wall=1_790_000_000_000, boot=7_000_000, mono=300_000, boot_id="boot-of-the-test")


class Hands:
    """Implements ``Clock``: tells the same moment until it is moved."""

    def __init__(self, start: Now = START) -> None:
        self.now = start

    def __call__(self) -> Now:
        return self.now

    def move(self, ms: int) -> Now:
        """Let ``ms`` milliseconds pass on all clocks."""
        self.now = self.now.later(ms)
        return self.now

    def sleep(self, ms: int) -> Now:
        """Let the whole machine sleep for ``ms``: its monotonic clock stands still meanwhile."""
        self.now = self.now._replace(wall=self.now.wall + ms, boot=self.now.boot + ms)
        return self.now

    def jump_wall(self, ms: int) -> Now:
        """Move only the wall clock by ``ms``, as a person or NTP would."""
        self.now = self.now._replace(wall=self.now.wall + ms)
        return self.now

"""Screen updates that send only the cells that changed."""

from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate


class NarrowUpdate(ChopsUpdate):
    """Sends only the cells that changed: the toolkit's own update sends each line from its first cell on."""

    def render_segments(self, console: Console) -> str:
        """The escape sequences and texts."""
        sent: list[str] = []
        for y, x1, x2 in self.spans:
            at = None  # the column of the terminal's cursor, if it is on this line
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                first, last = max(x, x1), min(end, x2)
                if strip is None or first >= last:
                    continue
                if first != at:
                    sent.append(Control.move_to(first, y).segment.text)
                sent.append(strip.crop(first - x, last - x).render(console))
                at = last
        return "".join(sent)

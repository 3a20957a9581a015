"""The part of a reply that a stream has sent, and cannot take back."""

from lanes.runners.base import Delta


class Differs(Exception):
    """The message runs again, and the new reply does not begin with the part that was sent."""


class Sent:
    """What one stream has sent. If its message runs again, the stream goes on with the new reply from where the former
    one was cut, provided that both begin with the same text (those of programs mostly do, those of models hardly ever).
    """

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._more_than_text = False
        self._expected = ""  # the part of the sent text that the new run has not repeated yet

    def unsent_part(self, piece: Delta) -> Delta | None:
        """The unsent part of a piece; None: nothing. Raises Differs."""
        if piece.begin_again:
            if self._more_than_text:
                raise Differs
            self._expected = "".join(self._texts)
            return None
        if self._expected:
            piece = self._after_expected(piece)
            if not piece.text:
                return None
        self._texts.append(piece.text)
        self._more_than_text |= piece.choice is not None or piece.native is not None
        return piece

    def rest_of(self, reply: str) -> str:
        """The unsent part of a whole reply. Raises Differs."""
        sent = "".join(self._texts)
        if self._more_than_text or not reply.startswith(sent):
            raise Differs
        self._expected = ""
        return reply[len(sent) :]

    @property
    def incomplete(self) -> bool:
        """Whether a new run has not yet reached the point where the former one was cut."""
        return bool(self._expected)

    def _after_expected(self, piece: Delta) -> Delta:
        alike = min(len(piece.text), len(self._expected))
        if piece.choice is not None or piece.native is not None or piece.text[:alike] != self._expected[:alike]:
            raise Differs
        self._expected = self._expected[alike:]
        return piece._replace(text=piece.text[alike:])

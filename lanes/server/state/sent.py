"""What a stream has sent of a reply, which it can not take back."""

from lanes.runners.base import Delta


class Differs(Exception):
    """Another run answers now, and its reply does not begin with what was sent."""


class Sent:
    """Goes along with one stream. The reply of another run is sent on from where the former one was cut, if the two
    begin alike (those of a program mostly do, those of a model hardly ever): nothing is sent twice."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._more_than_text = False
        self._expected = ""  # of what was sent, the part that has yet to come again

    def what_is_new(self, piece: Delta) -> Delta | None:
        """What of a piece is still to be sent; None: nothing. Raises Differs."""
        if piece.begin_again:
            if self._more_than_text:
                raise Differs
            self._expected = "".join(self._texts)
            return None
        if self._expected:
            piece = self._behind_what_is_expected(piece)
            if not piece.text:
                return None
        self._texts.append(piece.text)
        self._more_than_text |= piece.choice is not None
        return piece

    def rest_of(self, reply: str) -> str:
        """What is still to be sent of a whole reply. Raises Differs."""
        sent = "".join(self._texts)
        if self._more_than_text or not reply.startswith(sent):
            raise Differs
        self._expected = ""
        return reply[len(sent) :]

    @property
    def incomplete(self) -> bool:
        """Whether another run answers, and has not come to where the former one was cut."""
        return bool(self._expected)

    def _behind_what_is_expected(self, piece: Delta) -> Delta:
        alike = min(len(piece.text), len(self._expected))
        if piece.choice is not None or piece.text[:alike] != self._expected[:alike]:
            raise Differs
        self._expected = self._expected[alike:]
        return piece._replace(text=piece.text[alike:])

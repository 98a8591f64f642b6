"""A stream's answer, put together while its payloads come.

What does not merge is no fault of the stream's, which is passed on all the same: it is remembered
until the answer is asked for.
"""

from typing import Any, Final, Protocol

from proxy.core.dialects.alike import Alike
from proxy.core.dialects.base import Json, UnreadableFrameError
from proxy.core.dialects.payloads import has_halves, healed

UNMERGED: Final = (ValueError, AttributeError, TypeError, LookupError)
"""What the shape of a payload can make a fold raise, beside RecursionError."""


class Fold(Protocol):
    """Puts payloads together, by the rules of one API. Both methods raise `UNMERGED`."""

    def add(self, payload: Any) -> str:  # noqa: ANN401 - JSON is anything
        """One more payload, parsed; it may be changed.

        Returns the name of the one text that it adds to, where another payload that differs in
        this text alone would do nothing else; "" where it would, or where there is none.
        """
        ...

    def grow(self, text: str) -> None:
        """Such a payload has come, with this text."""
        ...

    def answer(self) -> Json:
        """What they amount to."""
        ...


class Folding:
    """Has payloads folded until one does not merge.

    Args:
        fold: Puts them together.
        kind: What a payload is, for the reason why one does not merge.
    """

    def __init__(self, fold: Fold, kind: str) -> None:
        self._fold: Fold | None = fold
        self._kind = kind
        self._problem = ""
        self._is_torn = False
        self._alike = Alike()

    def grows(self, data: bytes) -> bool:
        """Whether a payload was like the one before but for its text, which is added."""
        text = self._alike.text_of(data)
        if text is None or self._fold is None:
            return False
        self._fold.grow(text)
        return True

    def add(self, data: bytes, payload: Any) -> None:  # noqa: ANN401 - JSON is anything
        """One more payload: its bytes, and what they say."""
        if self._fold is None:
            return
        self._is_torn = self._is_torn or has_halves(data)
        try:
            self._alike.learn(data, self._fold.add(payload))
        except RecursionError:
            self.refuse("nested too deeply")
        except UNMERGED as error:
            self.misread(error)

    def misread(self, error: Exception) -> None:
        """A payload is not what this API sends."""
        known = isinstance(error, UnreadableFrameError)
        self.refuse(str(error) if known else f"not {self._kind}: {error}")

    def refuse(self, problem: str) -> None:
        """There will be no answer, for this reason, or one known before; nothing is kept of it."""
        self._problem = self._problem or problem
        self._fold = None

    def answer(self) -> Json:
        """The answer. To be asked for once, at the end. Raises UnreadableFrameError."""
        if self._fold is None:
            raise UnreadableFrameError(self._problem)
        try:
            answer = self._fold.answer()
            whole: Json = healed(answer) if self._is_torn else answer
        except UNMERGED as error:
            self.misread(error)
            raise UnreadableFrameError(self._problem) from error
        return whole

"""Streams put together, as a recording does it: payloads in, the answer out."""

from collections.abc import Callable, Iterable
from typing import Final

from proxy.core.dialects.base import Dialect
from proxy.core.dialects.chat import Chat
from proxy.core.dialects.completions import Completions
from proxy.core.dialects.messages import Messages
from proxy.core.dialects.responses import Responses
from tests.core.builders import Json

Fold = Callable[[Iterable[bytes]], Json]
"""Raises UnreadableFrameError."""


def folder(dialect: Dialect) -> Fold:
    """What puts streams of this API together."""

    def fold(payloads: Iterable[bytes]) -> Json:
        progress = dialect.watch()
        for payload in payloads:
            progress.feed(payload)
        return progress.answer()

    return fold


chat: Final = folder(Chat())
completions: Final = folder(Completions())
messages: Final = folder(Messages())
responses: Final = folder(Responses())

"""What callers send: JSON, in every dialect, and what the cache makes of it."""

import json
from typing import Any

from proxy.core.admission import Action, Admission
from proxy.core.batch import understand_batch
from proxy.core.canonical import MAX_EXACT_FLOAT, canonical, dumps, loads
from proxy.core.dialects.base import Dialect
from proxy.core.dialects.chat import Chat
from proxy.core.dialects.completions import Completions
from proxy.core.dialects.messages import Messages
from proxy.core.dialects.responses import Responses
from proxy.core.model import Caller, Directives
from proxy.core.reading import understand
from proxy.errors import BadRequestError
from proxy.web import feedback
from proxy.web.cached import parsed
from tests.fuzz.target import Target

DIALECTS: tuple[Dialect, ...] = (Chat(), Responses(), Messages(), Completions())
ADMISSION = Admission(max_temperature=1, time_words=("today", "right now"), time=Action.EXACT)
CALLER = Caller("t")

JSON = (b'"', b"{", b"}", b"[", b"]", b":", b",", b"null", b"1e999", b"-0.0", b"9007199254740993")
ODD = (rb"\ud83d", rb"\u0000", rb"e\u0301", b"\xef\xbb\xbf", b"NaN", b"1.0", b"true", b'{"a":')


def _json(data: bytes) -> None:
    value = loads(data, lenient=True)
    form = canonical(value)

    assert canonical(loads(form)) == form
    assert canonical(loads(dumps(value), lenient=True)) == form
    _same(value, json.loads(form))


def _same(one: Any, other: Any) -> None:
    """Whether a canonical form still says it; text may be composed, and a float an integer."""
    if isinstance(one, dict):
        assert isinstance(other, dict)
        assert len(one) == len(other)
    elif isinstance(one, list):
        assert isinstance(other, list)
        for ours, theirs in zip(one, other, strict=True):
            _same(ours, theirs)
    elif isinstance(one, int | float) and not isinstance(one, bool):
        assert one == other
        assert abs(one) < MAX_EXACT_FLOAT or type(one) is type(other)
    elif not isinstance(one, str):
        assert one is other


def _dialect(dialect: Dialect) -> Target:
    def run(data: bytes) -> None:
        body = parsed(data)
        found = _understood(dialect, body)
        assert found.request.scope.tenant == "t"
        if found.bypass is not None:
            return
        again = _understood(dialect, parsed(canonical(body)))
        assert again.bypass is None
        assert again.request.key == found.request.key
        asking = dialect.with_usage(body)
        assert asking is None or found.request.stream
        if asking is not None:
            assert _understood(dialect, parsed(asking)).request.key == found.request.key

    tokens = (*JSON, *ODD, b'"messages"', b'"input"', b'"prompt"', b'"role"', b'"content"', b'"n"')
    return Target(dialect.api, run, (BadRequestError,), tokens)


def _understood(dialect: Dialect, body: dict[str, Any]) -> Any:
    return understand(
        dialect,
        body,
        caller=CALLER,
        asked=Directives(),
        admission=ADMISSION,
        extra={},
        rewrite=True,
        by_model=True,
    )


def _embeddings(data: bytes) -> None:
    body = parsed(data)
    batch = _batch(body)
    if batch.bypass is None:
        assert [item.key for item in _batch(parsed(dumps(body))).items] == [
            item.key for item in batch.items
        ]


def _batch(body: dict[str, Any]) -> Any:
    return understand_batch(body, caller=CALLER, asked=Directives(), admission=ADMISSION, extra={})


def _feedback(data: bytes) -> None:
    name, value, _ = feedback.read(data)
    assert name in feedback.IDS
    assert value


TARGETS = (
    Target("json", _json, (ValueError,), (*JSON, *ODD)),
    *(_dialect(one) for one in DIALECTS),
    Target("embeddings", _embeddings, (BadRequestError,), (*JSON, b'"input"', b'"model"')),
    Target("feedback", _feedback, (BadRequestError,), (*JSON, b'"entry_id"', b'"verdict"')),
)

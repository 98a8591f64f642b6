"""`POST /admin/v1/explain`: what the running cache would do with a request, and why.

Nothing is counted, stored or moved by it, and the origin is not asked.
"""

from contextlib import suppress
from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import ConfigDict, Field

from proxy.core.telling import explanation_report, unquoted
from proxy.errors import BadRequestError, TierError
from proxy.explaining import Explainer
from proxy.web import bodies, imagined
from proxy.web.admin.acting import Json, Told
from proxy.web.admin.asked import Asked, Tenant, Word, read
from proxy.web.keys import RUNTIME

CHAT: Final = "/v1/chat/completions"
INVALID: Final = "invalid_request"


class Explained(Asked):
    """The request that is to be explained: its body, or a question and a model."""

    model_config = ConfigDict(strict=True)

    request: dict[str, Any] | None = None
    """The body of the request."""

    question: Annotated[str, Field(min_length=1)] | None = None
    """In place of a body: what a user asks in a chat."""

    model: Word | None = None
    """Which model is asked the question."""

    system: str | None = None
    """What the system message before the question says; null: there is none."""

    path: Annotated[str, Field(pattern="^/")] = CHAT
    """Where the request would be sent."""

    tenant: Tenant | None = None
    """Whose it is, by the digest that log lines and entries have; null: of no credential."""

    namespace: Annotated[str, Field(max_length=128)] | None = None
    """Of which namespace; the same as `x-cache-namespace` in the headers."""

    headers: dict[str, str] | None = None
    """What else it would send for the cache to heed, such as `x-cache-mode`."""

    def body(self) -> Json:
        """What would be sent. Raises BadRequestError when both are given, or neither."""
        if self.request is not None:
            for name in ("question", "model", "system"):
                if getattr(self, name) is not None:
                    raise _bad(f"request and {name} contradict each other.", name)
            return self.request
        if self.question is None or self.model is None:
            missing = "question" if self.question is None else "model"
            raise _bad("Give a request, or a question and a model.", missing)
        if self.path.partition("?")[0] != CHAT:
            raise _bad("Of another API than chat completions give the request.", "path")
        said = [] if self.system is None else [{"role": "system", "content": self.system}]
        user = {"role": "user", "content": self.question}
        return {"model": self.model, "messages": [*said, user]}

    def fields(self) -> dict[str, str]:
        """The headers that would be sent."""
        named = {} if self.namespace is None else {"x-cache-namespace": self.namespace}
        return {**(self.headers or {}), **named}


async def handle(request: web.Request) -> Told:
    """Every stage's word on the request and on its neighbours."""
    runtime, raw = request[RUNTIME], await bodies.read(request)
    asked = read(lambda: Explained.model_validate_json(raw), INVALID)
    _, understood = imagined.read(
        runtime, asked.body(), path=asked.path, headers=asked.fields(), tenant=asked.tenant
    )
    if understood.bypass == "unreadable":
        raise _bad(f"This is not a request of {asked.path}.", "request")
    with suppress(TierError):  # then it says what is found without that tier, as a request would
        await runtime.upkeep.catch_up()
    found = await Explainer(runtime).explain(understood)
    is_shown = runtime.config.admin.show_questions
    report = explanation_report(found if is_shown else unquoted(found))
    if not is_shown:
        for near in report["neighbours"]:
            del near["pair"]["question"]
    return Told({"object": "cache.explanation", **report}, len(found.neighbours))


def _bad(message: str, param: str) -> BadRequestError:
    return BadRequestError(message, param=param, code=INVALID)

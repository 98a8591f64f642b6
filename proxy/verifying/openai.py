"""A judge on a server with OpenAI's chat completions API: any language model.

Rules of the file:

- Temperature 0, a handful of tokens, no second try: a judge that must be asked twice is late.
- A refusal of one pair or conversation, or a reply that is none, is that one's affair. If it were
  the judge's, one caller with a text the server dislikes would switch it off for everybody.
- No question and no reply to one is ever in an error's text.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import openai

from proxy.core.conversation import prompt as writing
from proxy.core.conversation.turns import Turn
from proxy.core.judgement.opinion import OTHER_ANSWER, SAME_ANSWER, Opinion
from proxy.core.judgement.prompt import QUESTIONS, Task, may_ask, messages, read_reply
from proxy.core.spending import Ledger, Part
from proxy.errors import TierError
from proxy.openaiserver import connect, headers_for, name_of, tokens_of

REFUSALS: Final = frozenset({400, 413, 422})
"""Statuses that speak of the pair: its content, mostly. What speaks of the model or its settings
shows at `start` already."""

PROBE: Final = "Are you there?"


Manner = Mapping[str, Any]
"""The parameters with which a kind of model lets itself be asked."""

PLAIN: Final[Manner] = {"temperature": 0, "max_tokens": 24}
"""As nearly every server takes it; a reply has under ten tokens."""

LONG: Final = 200
"""Most tokens of a reply that is a question."""

REASONING: Final[Manner] = {"max_completion_tokens": 2048}
"""As OpenAI's reasoning models want it: they refuse the other two, and think before they reply."""


class _RefusedError(TierError):
    """The server would not be asked this."""


class OpenAiJudge:
    """Whether one answer serves two questions, as a language model says: `ports.Verifier`.

    Asked to, it also writes what a follow-up means.

    The id is `openai:<model>:<server>`: the same name means another model elsewhere.

    Args:
        base_url: Of the API, with its version, such as `https://api.openai.com/v1`.
        api_key: Sent as a bearer token; None sends none.
        model: Which model judges.
        timeout_s: Longest wait for one reply.
        task: What it decides about two texts.
        ledger: Hears what each call costs.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str | None,
        model: str,
        timeout_s: float = 2.0,
        task: Task = QUESTIONS,
        ledger: Ledger | None = None,
    ) -> None:
        self._base_url = base_url
        self._api_key = api_key
        self._model = model
        self._timeout_s = timeout_s
        self._task = task
        self._ledger = ledger
        self._client: openai.AsyncOpenAI | None = None
        self._manner: Manner | None = None
        self._starting = asyncio.Lock()
        self._headers = headers_for(api_key)

    @property
    def id(self) -> str:
        """Model and server."""
        return judge_id(self._model, self._base_url)

    async def start(self) -> None:
        """Prove that the model judges, and learn how it wants to be asked: one or two calls.

        Raises:
            TierError: It does not answer, refuses, or replies something else than a judgement.
        """
        async with self._starting:
            if self._client is None:
                self._client = await asyncio.to_thread(self._connect)
            if self._manner is None:
                self._manner = await self._learn_manner(self._client)
            else:
                await self._prove(self._client, self._manner)

    def _connect(self) -> openai.AsyncOpenAI:
        return connect(self._base_url, self._api_key, timeout_s=self._timeout_s, max_retries=0)

    async def _learn_manner(self, client: openai.AsyncOpenAI) -> Manner:
        try:
            await self._prove(client, PLAIN)
        except _RefusedError:
            await self._prove(client, REASONING)
            return REASONING
        return PLAIN

    async def _prove(self, client: openai.AsyncOpenAI, manner: Manner) -> None:
        reply = await self._reply(client, manner, messages(PROBE, PROBE, self._task))
        if read_reply(reply) is None:
            raise TierError(f"{self._model}: does not reply as it is told")

    async def close(self) -> None:
        """Close the connections; a call under way fails. `start` may follow."""
        async with self._starting:
            client, self._client, self._manner = self._client, None, None
            if client is not None:
                await client.close()

    async def ask(self, question: str, candidate: str) -> Opinion:
        """`SAME`, `DIFFERENT` or `UNREADABLE`. Raises TierError: not started, or no answer."""
        client, manner = self._started()
        if not (may_ask(question) and may_ask(candidate)):
            return Opinion.UNREADABLE
        try:
            asked = messages(question, candidate, self._task)
            found = read_reply(await self._reply(client, manner, asked))
        except _RefusedError:
            return Opinion.UNREADABLE
        if found is None:
            return Opinion.UNREADABLE
        return Opinion.SAME if found else Opinion.DIFFERENT

    async def verify(self, question: str, candidates: Sequence[str]) -> Sequence[float]:
        """1 where one answer serves both, else 0: a call for each candidate, one after another.

        Raises:
            TierError: Not started, or no answer.
        """
        return [
            SAME_ANSWER if await self.ask(question, other) is Opinion.SAME else OTHER_ANSWER
            for other in candidates
        ]

    async def write(self, talk: Sequence[Turn]) -> str | None:
        """A conversation's last turn as a question that stands alone; None when it gives none.

        Raises:
            TierError: Not started, or no answer.
        """
        client, manner = self._started()
        if "max_tokens" in manner:
            manner = {**manner, "max_tokens": LONG}
        try:
            return writing.read_reply(await self._reply(client, manner, writing.messages(talk)))
        except _RefusedError:
            return None

    def _started(self) -> tuple[openai.AsyncOpenAI, Manner]:
        if self._client is None or self._manner is None:
            raise TierError("the judge is not started")
        return self._client, self._manner

    async def _reply(
        self, client: openai.AsyncOpenAI, manner: Manner, asked: Iterable[tuple[str, str]]
    ) -> str:
        """What the model says; "" when it says nothing. Raises TierError: no answer."""
        told: Any = [{"role": role, "content": text} for role, text in asked]
        try:
            # The client's own limit is for each read: a server that drips bytes outlives it.
            async with asyncio.timeout(self._timeout_s):
                answer = await client.chat.completions.create(
                    model=self._model,
                    messages=told,
                    extra_headers=self._headers,
                    **manner,
                )
        except openai.APIStatusError as error:
            fault = _RefusedError if error.status_code in REFUSALS else TierError
            raise fault(f"{self._model}: status {error.status_code}") from error
        except (TimeoutError, openai.APITimeoutError) as error:
            raise TierError(f"{self._model}: no answer in time") from error
        except Exception as error:  # what is no JSON, or closed meanwhile, comes as many classes
            raise TierError(f"{self._model}: {type(error).__name__}") from error
        if self._ledger is not None:
            self._ledger.spent(Part.JUDGE, self._model, tokens_of(answer))
        return _said(answer)


def judge_id(model: str, base_url: str) -> str:
    """Model and server: the same name means another model elsewhere."""
    return f"openai:{model}:{name_of(base_url)}"


def _said(answer: object) -> str:
    """The text of an answer's first choice; "" where it says nothing. Raises TierError."""
    # The client does not validate: any attribute may be missing or of another type.
    choices = getattr(answer, "choices", None)
    message = (
        getattr(choices[0], "message", None) if isinstance(choices, list) and choices else None
    )
    if message is None:
        raise TierError("the answer is not a chat completion")
    content = getattr(message, "content", None)
    return content if isinstance(content, str) else ""

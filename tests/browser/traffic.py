"""Requests as an application's users would send them, while the dashboard is looked at."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import openai

from tests.support.program import KEY

MODEL: Final = "gpt-4o-mini"
PAUSE_S: Final = 0.25

QUESTIONS: Final = (
    ("How do I enable two-factor authentication?", "How can I enable two-factor authentication?"),
    (
        "How do I disable two-factor authentication?",
        "How can I turn off two-factor authentication?",
    ),
    ("How do I reset my password?", "How can I reset my password?", "How do I reset a password?"),
    ("How do I convert miles to kilometres?", "How do I convert kilometres to miles?"),
    ("What is the refund policy for annual plans?", "What's the refund policy of annual plans?"),
    ("What is the refund policy for monthly plans?", "What's the refund policy of monthly plans?"),
    ("How many seats does the team plan have?", "How many seats are in the team plan?"),
    ("How do I export 10 invoices as PDF?", "How do I export 20 invoices as PDF?"),
    ("What is a semantic cache?", "What's a semantic cache?", "Explain what a semantic cache is."),
    ("Which regions is the service available in?", "In which regions is the service available?"),
    ("How do I change the owner of a project?", "How can I change a project's owner?"),
    ("Why was my card declined?", "Why has my card been declined?"),
)
"""Questions, each with other wordings of it, or with one that is near and means something else."""

VERBS: Final = ("create", "delete", "share", "archive", "move", "copy", "lock", "print", "publish")
THINGS: Final = ("project", "report", "team", "webhook", "template", "label", "folder", "comment")
"""What questions may be about that nobody has asked before: `How do I share a report?`"""

ONCE: Final = (
    "How do I rename a workspace?",
    "Can I use the API with an invalid certificate?",
    "How long are audit logs kept?",
)
"""Asked once, with the tag `once`, before anything else: nobody asks for them again."""


def ask(client: openai.OpenAI, question: str, **headers: str) -> None:
    """One streamed request, read to the end of its body."""
    with client.chat.completions.with_streaming_response.create(
        model=MODEL,
        messages=[{"role": "user", "content": question}],
        stream=True,
        stream_options={"include_usage": True},
        extra_headers=headers,
    ) as reply:
        reply.read()


def ask_once(url: str) -> None:
    """What is there before anybody looks."""
    with openai.OpenAI(base_url=url, api_key=KEY, max_retries=0) as client:
        for question in ONCE:
            ask(client, question, **{"x-cache-tags": "once"})


def _questions(seed: int) -> Iterator[tuple[str, dict[str, str]]]:
    """Questions without end: many come again, few are new."""
    draw = random.Random(seed)
    while True:
        group = draw.choice(QUESTIONS)
        headers = {"x-cache-tags": "faq", "x-session-id": f"user-{draw.randrange(20)}"}
        if draw.random() < 0.2:
            headers["x-cache-namespace"] = "docs"
        is_new = draw.random() < 0.4
        asks = draw.choice(("How do I", "How can I", "Can I"))
        other = f"{asks} {draw.choice(VERBS)} a {draw.choice(THINGS)}?"
        yield (other if is_new else draw.choice(group)), headers


@contextmanager
def traffic(url: str, callers: int = 2) -> Iterator[None]:
    """Some callers ask until the end of the block, a few requests a second."""
    stop = threading.Event()

    def call(seed: int) -> None:
        with openai.OpenAI(base_url=url, api_key=KEY, max_retries=0) as client:
            for question, headers in _questions(seed):
                if stop.wait(PAUSE_S):
                    return
                try:
                    ask(client, question, **headers)
                except openai.APIError:  # at the end the proxy is stopped before its callers are
                    time.sleep(PAUSE_S)

    threads = [threading.Thread(target=call, args=(seed,)) for seed in range(1, callers + 1)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()

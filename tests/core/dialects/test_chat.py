import typing
from typing import Any
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsBase,
    CompletionCreateParamsStreaming,
)

from proxy.core.dialects.chat import Chat
from proxy.core.dialects.chat_parameters import TABLE
from proxy.core.dialects.parameters import Part
from tests.core.builders import Json, chat, json_values, read, texts

KEYED = sorted(name for name, row in TABLE.items() if row.part is not Part.NOT_IN_KEY)
NOT_KEYED = sorted(name for name, row in TABLE.items() if row.part is Part.NOT_IN_KEY)
SYSTEM = {"role": "system", "content": "Be brief."}
HELLO = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi."}]
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


def scope(body: Json, **more: Any) -> str:
    return read(body, **more).scope.id


def talk(*messages: Any) -> Json:
    return {"model": "m", "messages": list(messages)}


def asked(content: Any, **more: Any) -> Json:
    return {"role": "user", "content": content, **more}


def test_the_table_knows_the_sdks_parameters() -> None:
    """A new SDK's parameter fails here until somebody decides what it is to the cache."""
    known = set(typing.get_type_hints(CompletionCreateParamsBase))
    known |= set(typing.get_type_hints(CompletionCreateParamsStreaming))

    assert set(TABLE) == known


@given(st.sampled_from([name for name in KEYED if name not in {"messages", "model"}]), json_values)
def test_every_keyed_parameter_changes_the_scope(name: str, value: Any) -> None:
    """With a value that is not its default, a parameter of the key is another scope."""
    expected = TABLE[name].is_default(value)

    assert (scope(chat(**{name: value})) == scope(chat())) is expected


@given(
    st.sampled_from([name for name in KEYED if name not in {"messages", "model"}]),
    st.lists(
        st.text("ab", min_size=1) | st.integers(2, 9) | st.booleans(),
        min_size=2,
        max_size=2,
        unique_by=repr,
    ),
)
def test_two_values_are_two_scopes(name: str, values: list[Any]) -> None:
    """No two values of a keyed parameter share a scope."""
    one, other = (scope(chat(**{name: value})) for value in values)

    assert one != other


@given(st.sampled_from([n for n in NOT_KEYED if not n.startswith("stream")]), json_values)
def test_what_is_not_in_the_key_changes_nothing(name: str, value: Any) -> None:
    """Who asks, and how it is delivered, is no part of what is asked."""
    assert scope(chat(**{name: value})) == scope(chat())


@given(texts.filter(lambda name: name not in TABLE), json_values.filter(lambda v: v is not None))
def test_an_unknown_parameter_is_part_of_the_key(name: str, value: Any) -> None:
    """What a provider invents tomorrow may change the answer."""
    assert scope(chat(**{name: value})) != scope(chat())


@given(texts.filter(bool), texts.filter(bool))
def test_tenants_never_share(one: str, other: str) -> None:
    """The tenant is part of every scope, and no pair of parts collides."""
    same = one == other

    assert (scope(chat(), tenant=one) == scope(chat(), tenant=other)) is same
    assert (scope(chat(), namespace=one) == scope(chat(), namespace=other)) is same


DIFFERENT = [
    talk(asked("Q")),
    {**talk(asked("Q")), "model": "n"},
    talk(SYSTEM, asked("Q")),
    talk({"role": "developer", "content": "Be brief."}, asked("Q")),
    talk({"role": "system", "content": "Be long."}, asked("Q")),
    talk(*HELLO, asked("Q")),
    talk(SYSTEM, *HELLO, asked("Q")),
    talk(*HELLO, SYSTEM, asked("Q")),
    talk(HELLO[0], SYSTEM, HELLO[1], asked("Q")),
    talk(asked("Hello"), {"role": "assistant", "content": "Hi!"}, asked("Q")),
    talk(asked("Q", name="ann")),
    talk(asked([IMAGE, {"type": "text", "text": "Q"}])),
    talk(asked([{"type": "text", "text": "Q"}, IMAGE])),
    talk(asked([{"type": "text", "text": "Q"}, {"type": "text", "text": "Q"}])),
    talk(*HELLO, asked("Q"), {"role": "assistant", "content": "A"}),
    talk(asked("Q"), {"role": "tool", "content": "7", "tool_call_id": "c"}),
]


def deep(levels: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


def test_shapes_of_conversations_are_different_scopes() -> None:
    """Instructions, turns, names, parts and their positions: none is lost in the key."""
    assert len({scope(body) for body in DIFFERENT}) == len(DIFFERENT)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (chat(temperature=1), chat(temperature=1.0)),
        (chat(n=1), chat()),
        (chat(logprobs=False, frequency_penalty=0, stream=False, store=False), chat()),
        (chat(seed=None, tools=None), chat()),
        (chat(n=1.0, presence_penalty=0.0), chat()),
        (chat(stream=True, stream_options={"include_usage": True}), chat()),
        (talk(asked([{**IMAGE, "prompt_cache_breakpoint": {}}])), talk(asked([IMAGE]))),
        (talk(asked([{"type": "text", "text": "A"}]), asked("Q")), talk(asked("A"), asked("Q"))),
        (talk(asked("Q")), talk(asked([{"type": "text", "text": "Q"}]))),
        (talk(asked("Q")), talk(asked("Q", prompt_cache_breakpoint=True))),
        (talk(asked("Caf\u00e9")), talk(asked("Cafe\u0301"))),
    ],
)
def test_the_same_request_in_other_words(one: Json, other: Json) -> None:
    """Documented defaults, `null`, number forms and part forms make no difference."""
    first, second = read(one), read(other)

    assert first.scope.key(first.question) == second.scope.key(second.question)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (chat(temperature=1), chat()),
        (chat(n=2), chat()),
        (chat(n=True), chat()),
        (chat(logprobs=0), chat()),
    ],
)
def test_undocumented_defaults_stay_apart(one: Json, other: Json) -> None:
    """Absent is not 1 where the API documents no default."""
    assert scope(one) != scope(other)


def test_the_question_is_not_scope() -> None:
    """Only the last user text is fuzzy: two questions share a scope and have keys of their own."""
    one, other = read(chat("One?")), read(chat("Other?"))

    assert one.scope.id == other.scope.id
    assert one.scope.key(one.question) != other.scope.key(other.question)


@pytest.mark.parametrize(
    "shown",
    [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "https://a.b/c.png", "detail": "low"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:;base64,AAAA"}},
        {"type": "video_url", "video_url": {"url": "https://a.b/c.mp4"}},
    ],
)
def test_what_is_shown_is_exact_and_what_is_asked_is_not(shown: Json) -> None:
    """Two questions about one image share a scope; one about two images has two."""

    def seen(text: str, other: str = "") -> Json:
        kind = shown["type"]
        part = {**shown, kind: {**shown[kind], "x": other}} if other else shown
        return talk(asked([{"type": "text", "text": text}, part]))

    one = read(seen("What is it?"))

    assert one.question == "What is it?"
    assert one.scope.id == scope(seen("What is this?"))
    assert one.scope.id != scope(seen("What is it?", other="y"))
    assert (one.exact_only, one.bypass) == (None, None)


def test_parts_are_not_run_together() -> None:
    """Where the text is cut into parts is part of the key, as the text itself is."""

    def key(*parts: str) -> str:
        reading = read(talk(asked([{"type": "text", "text": part} for part in parts])))
        return reading.scope.key(reading.question)

    assert len({key("a\nb"), key("a", "b"), key("a", "", "b"), key("a\n", "b")}) == 4


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (chat(tools=[{"type": "function"}]), None),
        (chat(seed=7), "seed"),
        (chat(logprobs=True), "logprobs"),
        (chat(top_logprobs=2), "top_logprobs"),
        (chat("  "), "no question"),
        (talk(*HELLO), "no question"),
        (talk(asked("Q"), {"role": "tool", "content": "7"}), "no question"),
        (chat(), None),
        (chat(n=2), None),
        (talk(asked([{"type": "text", "text": "Q"}, IMAGE])), None),
    ],
)
def test_what_is_exact_only(body: Json, reason: str | None) -> None:
    """Where an answer belongs to this very request, no other's may serve."""
    assert read(body).exact_only == reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (chat(store=True), "store"),
        (chat(store=1), "store"),
        (chat(store=False), None),
        (chat(store=None), None),
        (chat(stream="yes"), "unreadable"),
        (chat(stream=1), "unreadable"),
        (chat(stream_options="x"), "unreadable"),
        (chat("\ud83d"), "unreadable"),
        (talk({"role": "system", "content": "\ud83d"}, asked("Q")), "unreadable"),
        ({**chat(), "model": "\ud83d"}, "unreadable"),
        (chat(tools=[{"deep": deep(2000)}]), "unreadable"),
        (chat(modalities=["text", "audio"], audio={"voice": "x"}), "modalities"),
        (chat(modalities=["text"]), None),
        (chat(web_search_options={}), "web_search_options"),
        (chat(moderation={}), "moderation"),
        (talk(asked([{"type": "input_audio", "input_audio": {}}])), "audio"),
        (talk(asked("Q"), {"role": "assistant", "audio": {"id": "a"}}, asked("R")), "audio"),
        ({"model": "m"}, "unreadable"),
        ({"model": "m", "messages": []}, "unreadable"),
        ({"model": "m", "messages": ["Q"]}, "unreadable"),
        ({"model": "m", "messages": [{"content": "Q"}]}, "unreadable"),
        ({"model": 7, "messages": [asked("Q")]}, "unreadable"),
        ({"model": "m" * 257, "messages": [asked("Q")]}, "unreadable"),
        ({"model": "m" * 256, "messages": [asked("Q")]}, None),
        ({"messages": [asked("Q")]}, "unreadable"),
    ],
)
def test_what_goes_past_the_cache(body: Json, reason: str | None) -> None:
    """What must not be cached, and what is not understood: the origin judges it."""
    assert read(body).bypass == reason


def test_forms_of_delivery() -> None:
    """Whether it streams, and with usage."""
    plain = read(chat())
    streamed = read(chat(stream=True, stream_options={"include_usage": True}))

    assert (plain.stream, plain.include_usage) == (False, False)
    assert (streamed.stream, streamed.include_usage) == (True, True)


def test_usage_is_asked_for_once() -> None:
    """A stream that says nothing of usage is asked for it; what the caller said stands."""
    assert Chat().with_usage(chat()) is None
    assert Chat().with_usage(chat(stream=True, stream_options={"include_usage": False})) is None
    body = Chat().with_usage(chat(stream=True, stream_options={"include_obfuscation": False}))
    assert body is not None
    assert b'"stream_options":{"include_obfuscation":false,"include_usage":true}' in body


@given(json_values)
def test_any_object_is_read(value: Any) -> None:
    """Whatever JSON a body holds, it is read or passed on."""
    for body in (
        {"model": "m", "messages": value},
        talk(asked(value)),
        talk(asked(value), asked("Q")),
        talk(asked([value]), asked("Q")),
        talk({"role": "assistant", "content": "A", "tool_calls": value}, asked([value])),
        talk(value),
        chat(stream_options=value),
        chat(stream=value),
        {**chat(), "model": value},
    ):
        read(body)


@given(st.lists(texts, min_size=1, max_size=3), st.lists(texts, min_size=1, max_size=3))
def test_a_key_is_one_text(one: list[str], other: list[str]) -> None:
    """Two last messages share a key only when they are the same parts, up to Unicode's forms."""

    def key(parts: list[str]) -> str:
        reading = read(talk(asked([{"type": "text", "text": part} for part in parts])))
        return reading.scope.key(reading.question)

    same = [normalize("NFC", part) for part in one] == [normalize("NFC", part) for part in other]

    assert same or key(one) != key(other)

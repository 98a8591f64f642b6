import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.completion_create_params import (
    CompletionCreateParamsBase,
    CompletionCreateParamsStreaming,
)

from proxy.core.dialects.base import Reading
from proxy.core.dialects.completions import MAX_QUESTION_CHARS, Completions
from proxy.core.dialects.completions_parameters import TABLE
from proxy.core.dialects.parameters import Part
from tests.core.builders import Json, json_values, texts

QUESTION = "What is the capital of France?"
KEYED = sorted(
    name for name, row in TABLE.items() if row.part not in {Part.NOT_IN_KEY, Part.MESSAGES}
)


def read(prompt: Any = QUESTION, tenant: str = "t", **more: Any) -> Reading:
    body = {"model": "m", "prompt": prompt, **more}
    return Completions().read(body, tenant=tenant, namespace="", extra={})


def key(*prompt: Any, **more: Any) -> str:
    reading = read(*prompt, **more)
    return reading.scope.key(reading.question)


def test_the_table_knows_the_sdks_parameters() -> None:
    """A new SDK's parameter fails here until somebody decides what it is to the cache."""
    known = set(typing.get_type_hints(CompletionCreateParamsBase))
    known |= set(typing.get_type_hints(CompletionCreateParamsStreaming))

    assert set(TABLE) == known


@given(st.sampled_from([name for name in KEYED if name != "model"]), json_values)
def test_every_keyed_parameter_changes_the_key(name: str, value: Any) -> None:
    """With a value that is not its default, a parameter of the key is another scope."""
    expected = TABLE[name].is_default(value)

    assert (key(**{name: value}) == key()) is expected


@given(texts)
def test_who_asks_changes_nothing_but_whose_key_it_is_does(user: str) -> None:
    """`user` is not in the key; the tenant is."""
    assert key(user=user) == key()
    assert key(tenant="other") != key()


@given(texts.filter(lambda name: name not in TABLE), json_values.filter(lambda v: v is not None))
def test_an_unknown_parameter_is_part_of_the_key(name: str, value: Any) -> None:
    """What a provider invents tomorrow may change the answer."""
    body = {"model": "m", "prompt": QUESTION, name: value}
    found = Completions().read(body, tenant="t", namespace="", extra={})

    assert found.scope != read().scope


PROMPTS: list[Any] = [
    QUESTION,
    "What is the capital of Spain?",
    [QUESTION, QUESTION],
    ["What is the capital", "of France?"],
    ["What is the capital of France?\n", ""],
    [1, 2],
    [2, 1],
    [[1], [2]],
    [[1, 2], [3]],
    "[1, 2]",
    "",
    None,
    [],
]


def test_no_two_prompts_share_a_key() -> None:
    """Where one ends and the next begins, and whether it is text, is part of it."""
    assert len({key(prompt) for prompt in PROMPTS}) == len(PROMPTS)


def test_a_list_of_one_is_that_one() -> None:
    """As every origin takes it."""
    assert key([QUESTION]) == key(QUESTION)
    assert key([[1, 2]]) == key([1, 2])
    assert read([QUESTION]).exact_only is None


@pytest.mark.parametrize(
    "prompt",
    [
        QUESTION,
        "Explain what a semantic cache is.",
        "  How do I sort a list in Python?\n\n",
        "I use Python 3.11. How do I sort a list?",
        "法国的首都是哪里？",  # noqa: RUF001 - a question in Chinese
    ],
)
def test_a_question_may_be_worded_differently(prompt: str) -> None:
    """One line, one or two sentences that have ended."""
    assert read(prompt).exact_only is None


@pytest.mark.parametrize(
    ("prompt", "why"),
    [
        ("The capital of France is", "a text to continue"),
        ("Once upon a time,", "a text to continue"),
        ("Q: What is 2 + 2? A:", "a text to continue"),
        ("Good film.\nWhat is it about?", "several lines"),
        ("one -> 1\ntwo ->", "several lines"),
        ("Great! Positive. Awful! Negative. Nice?", "several sentences"),
        ("Is it " + "very " * MAX_QUESTION_CHARS + "long?", "longer than a question"),
        (" \n", "no question"),
        ("", "no question"),
        (None, "no question"),
        ([QUESTION, QUESTION], "several prompts"),
        ([1, 2], "token ids"),
        ([[1], [2]], "token ids"),
    ],
)
def test_what_is_no_question_is_answered_by_its_repeat_alone(prompt: Any, why: str) -> None:
    """A text to continue, and examples to imitate, depend on every word."""
    assert read(prompt).exact_only == why


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"suffix": "end"}, "suffix"),
        ({"echo": True}, "echo"),
        ({"logprobs": 0}, "logprobs"),
        ({"seed": 1}, "seed"),
        ({"echo": False, "suffix": None, "n": 2, "best_of": 3}, None),
    ],
)
def test_what_asks_for_this_very_prompt_is_exact(more: Json, why: str | None) -> None:
    """Numbers and repetitions of a prompt are not another's."""
    assert read(**more).exact_only == why


@pytest.mark.parametrize(
    "more",
    [
        {"prompt": 7},
        {"prompt": [True]},
        {"prompt": ["a", 1]},
        {"prompt": ["a", [1]]},
        {"prompt": [[1], [1.5]]},
        {"prompt": "\ud83d"},
        {"model": ""},
        {"model": 7},
        {"stream": "yes"},
        {"stream_options": []},
    ],
)
def test_an_unknown_shape_is_passed_on(more: Json) -> None:
    """The origin knows best whether it is a request."""
    body = {"model": "m", "prompt": QUESTION, **more}

    assert Completions().read(body, tenant="t", namespace="", extra={}).bypass == "unreadable"


def test_how_it_is_delivered_is_read() -> None:
    """A stream, with its usage or without."""
    plain, stream = read(), read(stream=True)
    told = read(stream=True, stream_options={"include_usage": True})

    assert [(r.stream, r.include_usage) for r in (plain, stream, told)] == [
        (False, False),
        (True, False),
        (True, True),
    ]
    assert {r.scope.id for r in (plain, stream, told)} == {plain.scope.id}


def test_tokens_can_be_counted_where_the_origin_did_not() -> None:
    """The prompts' text, and the choices'."""
    answer = {"choices": [{"text": "a"}, {"text": "b"}]}
    texts_of = Completions().texts_of

    assert texts_of({"prompt": ["x", "y"]}, answer) == ("x\ny", "a\nb")
    assert texts_of({"prompt": [[1, 2]]}, answer) == ("[1, 2]", "a\nb")
    assert texts_of({}, {"choices": []}) == ("", "")


def test_a_replay_has_an_id_of_its_own_form() -> None:
    """As OpenAI's."""
    assert Completions().stamp("abc", 7, {}).id == "cmpl-abc"

"""What is read in people's and models' words."""

from proxy.core import agreement
from proxy.core.conversation import prompt as standalone
from proxy.core.judgement import guards, reading
from proxy.core.judgement import prompt as verdict
from proxy.core.privacy import personal_data
from tests.fuzz.target import Target

WORDS = (b"what is ", b"not ", b"30 ", b"km ", b"Berlin ", b"2024-05-01 ", b"who ", b"$1,000.50 ")


def _privacy(data: bytes) -> None:
    text = data.decode(errors="replace")
    found = personal_data(text)
    assert found is None or personal_data(f"{text}\n.") == found


def _guards(data: bytes) -> None:
    first, _, second = data.decode(errors="replace").partition("\n")
    new, old = reading.read(first), reading.read(second)
    for guard in guards.ALL:
        said = guard.veto(new, old)
        assert said is None or said
        assert guard.veto(new, new) is None


def _replies(data: bytes) -> None:
    text = data.decode(errors="surrogateescape")
    standalone.read_reply(text)
    verdict.read_reply(text)
    verdict.may_ask(text)
    first, _, second = text.partition("\n")
    if agreement.is_readable(first, second):
        agreement.by_fact(first, second)


TARGETS = (
    Target(
        "privacy",
        _privacy,
        (),
        (b"a@example.com", b"4111 1111 1111 1111", b"DE89370400440532013000", b"sk-proj-", b"+49 "),
    ),
    Target("guards", _guards, (), (*WORDS, b"\n")),
    Target(
        "replies", _replies, (), (b'{"same": true}', b'{"question": "', b'"}', b"[", b"\n", *WORDS)
    ),
)

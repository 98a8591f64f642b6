"""Where an index of vector sets keeps what: the names of its keys, and an element's attributes.

Keys, all of one embedder, dimension and quantisation (`<kind>`), so that no two ever meet::

    <prefix>:vec:{<scope>/<part>}:<kind>    vector set: the questions of a scope, by entry id
    <prefix>:vec:{<bucket>}:at:<kind>       hash: entry id -> scope, so that a removal finds it
    <prefix>:vec:{index}:splits:<kind>      hash: scope -> parts, of those that have several
    <prefix>:vec:{index}:state:<kind>       hash: `position` in the log; `sweep` while one is due

What stands in braces decides the slot, so that a cluster spreads scopes, and parts of one scope,
over its masters. A scope has one part until it outgrows it, then two, four and so on. An entry's
part is chosen by its id among the parts there are; what is in another since before the split stays
there until it is added again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final
from zlib import crc32

import orjson

from proxy.core.changes import Added

BUCKETS: Final = 16
"""Hashes that the ids are spread over, so that none outgrows a master."""
MOST_PARTS: Final = 256
"""Parts a scope may have: a search asks every one of them."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The names of one index's keys.

    Attributes:
        prefix: Begins every key.
        kind: Tells indexes apart that may not mix.
    """

    prefix: str
    kind: str

    def part(self, scope: str, number: int) -> str:
        """The vector set with a part of a scope."""
        return f"{self.prefix}:vec:{{{scope}/{number}}}:{self.kind}"

    def parts(self, scope: str, count: int) -> Sequence[str]:
        """All vector sets of a scope."""
        return [self.part(scope, number) for number in range(count)]

    def home(self, scope: str, entry_id: str, count: int) -> str:
        """The vector set where an entry belongs."""
        return self.part(scope, crc32(entry_id.encode()) % count)

    def bucket(self, entry_id: str) -> str:
        """The hash that says in which scope an entry is."""
        return self._bucket(crc32(entry_id.encode()) % BUCKETS)

    @property
    def buckets(self) -> Sequence[str]:
        """All of them."""
        return [self._bucket(number) for number in range(BUCKETS)]

    @property
    def splits(self) -> str:
        """The hash with the number of parts of scopes that have several."""
        return f"{self.prefix}:vec:{{index}}:splits:{self.kind}"

    @property
    def state(self) -> str:
        """The hash with the index's position."""
        return f"{self.prefix}:vec:{{index}}:state:{self.kind}"

    def _bucket(self, number: int) -> str:
        return f"{self.prefix}:vec:{{{number}}}:at:{self.kind}"


def outgrown(sizes: Sequence[int], split_at: int) -> int | None:
    """How many parts a scope shall have that has as many elements in its parts; None for no more.

    The sum counts: just after a split the first parts are still the fullest.
    """
    count = len(sizes)
    if count >= MOST_PARTS or sum(sizes) < count * split_at:
        return None
    return count * 2


@dataclass(frozen=True, slots=True)
class Attributes:
    """What an element says of itself, so that a search needs to ask nothing else.

    Attributes:
        question: The text.
        kept_until: When its entry is dropped.
        vector: Digest of the vector as given: what was only refreshed is not added anew.
    """

    question: str
    kept_until: float
    vector: str

    @classmethod
    def of(cls, item: Added) -> "Attributes":
        """An entry's."""
        digest = blake2b(item.vector.tobytes(), digest_size=6).hexdigest()
        return cls(item.question, item.kept_until, digest)

    @classmethod
    def read(cls, data: bytes | str | None) -> "Attributes | None":
        """As Redis gives them; None where they are not ours."""
        try:
            found = orjson.loads(data or b"")
            return cls(str(found["q"]), float(found["u"]), str(found["v"]))
        except (ValueError, TypeError, KeyError):
            return None

    def written(self) -> bytes:
        """As Redis keeps them."""
        return orjson.dumps({"q": self.question, "u": self.kept_until, "v": self.vector})


Scored = tuple[str, float, Attributes | None]
"""Entry id, score as Redis gives it ((1 + cosine) / 2), attributes."""


def scored(answer: Sequence[bytes]) -> list[Scored]:
    """What VSIM WITHSCORES WITHATTRIBS answers, best first."""
    rows = zip(answer[0::3], answer[1::3], answer[2::3], strict=True)
    return [(at.decode(), float(score), Attributes.read(data)) for at, score, data in rows]


def best(found: Sequence[Sequence[Scored]]) -> list[Scored]:
    """All parts' answers as one, best first; an entry that two parts have counts once."""
    by_id: dict[str, Scored] = {}
    for one in sorted((one for part in found for one in part), key=lambda one: -one[1]):
        by_id.setdefault(one[0], one)
    return list(by_id.values())


def counts(answer: Mapping[bytes, bytes]) -> dict[str, int]:
    """The hash of splits, as Redis gives it."""
    return {scope.decode(): int(parts) for scope, parts in answer.items()}

"""An entry as a store may have it: sealed where there is a key ring, and with or without question.

Without a ring an entry is stored as `codec` has it, and one that is sealed cannot be read. With one
it is the other way round: what is in clear may have been put there by whoever can write to the
store, so that it is nobody's answer.

Where questions are not to be stored, an entry has none but in the process that stored it. It is
answered to its own request everywhere, since that has its id; to a reworded one only where both
texts can be read.
"""

from collections import OrderedDict
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Final

from proxy.core.changes import Selector
from proxy.core.model import Entry
from proxy.tiers import codec, selectors
from proxy.tiers.codec import CodecError
from proxy.tiers.sealed import SealError, is_sealed, tenant_of

if TYPE_CHECKING:
    from proxy.tiers.keyring import Keyring

QUESTIONS: Final = 100_000
"""Most questions that a process remembers of entries which are stored without."""

LONGEST: Final = 4096
"""Characters of a question that is remembered although its entry has no vector, or none yet."""

SELECTOR: Final = "selector"
"""The place of what a change log tells of an invalidation."""


class EntryCodec:
    """Entries to bytes and back. Safe from several threads.

    Args:
        ring: Seals them; None leaves them in clear.
        keeps_questions: Store what was asked; else only this process remembers it, of the newest.
    """

    def __init__(self, ring: "Keyring | None" = None, *, keeps_questions: bool = True) -> None:
        self.ring = ring
        self._asked = None if keeps_questions else _Asked()

    def encode(self, entry: Entry) -> bytes:
        """The entry's bytes, to be sealed yet; see `codec.encode`."""
        if self._asked is None:
            return codec.encode(entry)
        self._asked.learn(entry)
        return codec.encode(replace(entry, question=""))

    def sealed(self, data: bytes, entry_id: str, tenant: str, salt: bytes) -> bytes:
        """The bytes as they are stored."""
        if self.ring is None:
            return data
        return self.ring.seal(data, place=entry_id, tenant=tenant, salt=salt)

    def owner_of(self, data: bytes) -> str | None:
        """The tenant whose salt it takes to decode these bytes; None where it takes none."""
        try:
            return None if self.ring is None else tenant_of(data)
        except SealError:
            return None

    def decode(self, entry_id: str, data: bytes, salt: bytes | None = None) -> Entry:
        """The entry of this id that these bytes are. Raises CodecError when they are none."""
        entry = codec.decode(self._opened(entry_id, data, salt))
        if entry.id != entry_id:
            raise CodecError("entry is another's")
        if self._asked is not None and not entry.question:
            return replace(entry, question=self._asked.of(entry_id))
        return entry

    def question_of(self, entry_id: str, data: bytes, salt: bytes | None = None) -> str:
        """The question of an entry's bytes, "" of no entry's; cheaper than `decode`."""
        try:
            return codec.question_of(self._opened(entry_id, data, salt))
        except CodecError:
            return ""

    def _opened(self, entry_id: str, data: bytes, salt: bytes | None) -> bytes:
        if self.ring is None:
            if isinstance(data, bytes) and is_sealed(data):
                raise SealError("sealed, and cache.encryption.keys has no key")
            return data
        if tenant_of(data) and salt is None:
            raise SealError("its tenant was forgotten")
        return self.ring.open(data, place=entry_id, salt=salt or b"")

    def written(self, selector: Selector) -> bytes:
        """What a change log keeps of an invalidation: a vector in it would tell what was asked."""
        data = selectors.written(selector)
        return data if self.ring is None else self.ring.seal(data, place=SELECTOR)

    def read(self, data: bytes) -> Selector:
        """What was written. Of anything else nobody knows what it means: see `selectors.read`."""
        if self.ring is None:
            return selectors.read(data)
        try:
            return selectors.read(self.ring.open(data, place=SELECTOR))
        except SealError:
            return selectors.ANYTHING


class _Asked:
    """What was asked, by an entry's id, of the newest."""

    def __init__(self) -> None:
        self._questions: OrderedDict[str, str] = OrderedDict()
        self._lock = Lock()

    def learn(self, entry: Entry) -> None:
        """One more, if another question may find it: an embedder has read it all, or yet may."""
        if not entry.question or (entry.vector is None and len(entry.question) > LONGEST):
            return
        with self._lock:
            self._questions[entry.id] = entry.question
            self._questions.move_to_end(entry.id)
            if len(self._questions) > QUESTIONS:
                self._questions.popitem(last=False)

    def of(self, entry_id: str) -> str:
        """The question; "" where this process does not know it."""
        with self._lock:
            return self._questions.get(entry_id, "")

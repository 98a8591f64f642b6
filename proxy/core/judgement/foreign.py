"""A veto for texts that no guard can read: those that are not English.

The word lists are English, and so are the models that are shipped. In another language a `nicht` or
a prefix turns a question round unseen, so its rewordings are not answered from the cache.
"""

from typing import Final

from proxy.core.judgement.reading import Reading
from proxy.core.judgement.words import STOP, closed

LATIN_ENDS: Final = 0x250
"""The first code point after the Latin letters."""

FOREIGN: Final = (
    closed(
        # Spanish, Portuguese, Italian
        "como cual cuales que porque por para una unos unas del esta este estoy puedo puede quiero "
        "hacer tengo muy pero donde cuando nao faco faz voce meu minha seu sua uma onde quando "
        "qual quais isso nos che non sono della delle degli nella perche posso quale quali dove "
        "gli mio "
        # German, Dutch, Swedish, Danish
        "der das und nicht ich wie kann kein keine ein eine einen einem einer auf zum zur mein "
        "meine wir ihr wann warum welche welcher welches wird werden het een niet geen ik hoe mijn "
        "voor naar wat wanneer waar welke zijn och jag hur inte mitt hvordan jeg ikke hvad "
        # French
        "une je mon mes pour avec dans quel quelle quels quelles quand comment puis peux peut elle "
        "nous vous qui cette aux sont fait "
        # Polish, Turkish, Indonesian
        "jak czy nie jest moj moje bir icin bagaimana saya yang tidak apa"
    )
    - STOP
)
"""Function words of other languages, without accents; none is an English word or short form."""

SPANISH: Final = frozenset("\u00bf\u00a1")
"""Marks that open a sentence in Spanish alone."""

PLENTY: Final = 2
"""Foreign function words that show a language, where English ones are fewer."""
SENTENCE: Final = 4
"""Words of a text in which one shows it, where there are no English ones."""


def foreign(new: Reading, old: Reading) -> str | None:
    """Other words, or the same in another order, in a language other than English."""
    word = _foreign(new) or _foreign(old)
    if not word or new.words == old.words:
        return None
    return f'foreign: "{word}" is not English'


def _foreign(reading: Reading) -> str:
    """A word that shows it, or "" for English."""
    if not reading.text.isascii():
        if not SPANISH.isdisjoint(reading.text):
            return next(iter(reading.words), "")
        strange = [word for word in reading.words if ord(word[0]) >= LATIN_ENDS and word.isalpha()]
        if 2 * len(strange) > len(reading.words):
            return strange[0]
    if FOREIGN.isdisjoint(reading.words):
        return ""
    found = [word for word in reading.words if word in FOREIGN]
    english = sum(1 for word in reading.words if word in STOP)
    enough = len(found) >= PLENTY or (not english and len(reading.words) >= SENTENCE)
    return found[0] if enough and len(found) > english else ""

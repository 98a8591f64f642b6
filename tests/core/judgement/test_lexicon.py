"""The word lists keep their own rules."""

from proxy.core.judgement.foreign import FOREIGN
from proxy.core.judgement.measures import FAINT_UNITS, UNITS
from proxy.core.judgement.opposites import AXES
from proxy.core.judgement.synonyms import SYNONYMS
from proxy.core.judgement.tokens import unaccented
from proxy.core.judgement.words import AVOIDING, IRREGULAR, NEGATORS, POSITIVE_OF, STOP


def test_no_axis_has_a_word_on_both_poles() -> None:
    """A word cannot be its own opposite."""
    assert [one & other for one, other in AXES if one & other] == []


def test_every_axis_has_two_poles() -> None:
    """A pole without words would never be met."""
    assert all(one and other for one, other in AXES)


def test_synonymy_is_mutual() -> None:
    """If one may stand for the other, the other may stand for it."""
    assert all(word in SYNONYMS[other] for word, others in SYNONYMS.items() for other in others)


def test_a_form_is_faint_or_not() -> None:
    """No unit is read two ways in one place."""
    assert UNITS.keys() & FAINT_UNITS.keys() == set()


def test_forms_lead_to_their_base() -> None:
    """A form's base is no form itself."""
    assert {base for base in POSITIVE_OF.values() if base in POSITIVE_OF} == set()
    assert {base for base in IRREGULAR.values() if base in IRREGULAR} == set()


def test_a_foreign_word_is_not_english() -> None:
    """An English question must never be taken for another language's by its function words."""
    assert FOREIGN.isdisjoint(STOP)
    assert {word for word in FOREIGN if word != unaccented(word)} == set()


def test_to_avoid_is_to_negate() -> None:
    """A verb that negates is one of the words that negate."""
    assert AVOIDING <= NEGATORS

"""The word lists keep their own rules."""

from proxy.core.judgement.measures import FAINT_UNITS, UNITS
from proxy.core.judgement.opposites import AXES
from proxy.core.judgement.synonyms import SYNONYMS
from proxy.core.judgement.words import IRREGULAR, POSITIVE_OF


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

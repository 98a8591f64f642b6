"""Word order: which exchanges change what is asked, and which do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.judgement.reading import read
from proxy.core.judgement.wordorder import order

OTHER_QUESTIONS = [
    # subject and object
    ("Did Ann hire Bob?", "Did Bob hire Ann?"),
    ("Why did Norway invite Sweden?", "Why did Sweden invite Norway?"),
    # whose attribute is whose
    ("Can a tall man marry a short woman?", "Can a short man marry a tall woman?"),
    (
        "May I make a left turn from the right lane here?",
        "May I make a right turn from the left lane here?",
    ),
    ("Is a big fish in a small pond happy?", "Is a small fish in a big pond happy?"),
    ("Are rich people more often happy?", "Are happy people more often rich?"),
    # what is done to which
    (
        "How do I open the gate and then close the door?",
        "How do I close the gate and then open the door?",
    ),
    (
        "How can I learn chess? What helps me play it?",
        "How can I play chess? What helps me learn it?",
    ),
    # three places
    (
        "Do old cats like young dogs more than young cats?",
        "Do young dogs like old cats more than young cats?",
    ),
    ("Can free online games teach paid skills?", "Can paid online games teach free skills?"),
    # a measure is no partner
    ("How do cats live compared to dogs?", "How do dogs live compared to cats?"),
    # the same neighbours on both sides
    (
        "What is the best school in the north and what is the worst school in the south?",
        "What is the worst school in the north and what is the best school in the south?",
    ),
    # joined verbs with objects of their own
    ("Is banning coins and printing notes wise?", "Is printing coins and banning notes wise?"),
    (
        "Did Ann and Bob come first and last, respectively?",
        "Did Bob and Ann come first and last, respectively?",
    ),
    # what is denied
    ("How can I not forget to breathe?", "How can I forget to not breathe?"),
]

SAME_QUESTION = [
    # joined
    ("Are tea and coffee healthy?", "Are coffee and tea healthy?"),
    ("Should I rent or buy?", "Should I buy or rent?"),
    ("Is red, green or blue best?", "Is blue, red or green best?"),
    ("Is soft water or hard water better?", "Is hard water or soft water better?"),
    ("Rome vs Oslo", "Oslo vs Rome"),
    ("Is IKEA (Sweden) big?", "Is Sweden (IKEA) big?"),
    (
        "Is a dog in a house or a cat in a barn happier?",
        "Is a cat in a barn or a dog in a house happier?",
    ),
    ("What does it cost? When does it open?", "When does it open? What does it cost?"),
    # relations that hold both ways
    ("Is Ann married to Bob?", "Is Bob married to Ann?"),
    ("Is Ann dating Bob?", "Is Bob dating Ann?"),
    ("Is Lyon near Dijon?", "Is Dijon near Lyon?"),
    ("How does tea compare to coffee?", "How does coffee compare to tea?"),
    ("Give me a comparison of tin with zinc", "Give me a comparison of zinc with tin"),
    # moved as a whole
    ("In Rust, how do I sort a list?", "How do I sort a list in Rust?"),
    ("Can I earn money online easily?", "Can I earn money easily online?"),
    ("If it rains, what do I do?", "What do I do if it rains?"),
    # nouns before and after one another
    ("nx monorepo caching tips", "tips for caching in an nx monorepo"),
    ("regex for email validation examples", "examples of email validation regex"),
    ("Is it a republic or a democracy?", "Is it a true democracy or a republic?"),
    # active and passive
    ("Did Ann see Bob?", "Was Bob seen by Ann?"),
    ("Does the plan cover wire transfers?", "Are wire transfers covered by the plan?"),
    # the question at the end
    ("How many feet are there in 3 miles?", "3 miles is how many feet?"),
    # as good as the same word
    ("How do I begin? Should I start with books?", "How do I start? Should I begin with books?"),
    # comparisons turned round
    ("Is iron heavier than tin?", "Is tin lighter than iron?"),
]


@pytest.mark.parametrize(("new", "old"), OTHER_QUESTIONS)
def test_parts_that_change_places_make_another_question(new: str, old: str) -> None:
    """The same words in another arrangement are vetoed, whichever was asked first."""
    assert order(read(new), read(old))
    assert order(read(old), read(new))


@pytest.mark.parametrize(("new", "old"), SAME_QUESTION)
def test_an_arrangement_that_means_the_same_passes(new: str, old: str) -> None:
    """What is joined, symmetric, moved as a whole or in the passive may stand in any order."""
    assert order(read(new), read(old)) is None
    assert order(read(old), read(new)) is None


def test_the_reason_shows_what_stands_with_what() -> None:
    """People see the exchange in the words of both questions."""
    reason = order(read("Do old cats like young dogs?"), read("Do young cats like old dogs?"))
    assert reason == "order: old cats, young dogs != old dogs, young cats"


def test_another_matter_is_left_to_others() -> None:
    """Two questions with much else of their own are no matter of order."""
    new = "Do old cats in Peru like young dogs that bark?"
    old = "Why would young cats on farms fear old dogs or wolves?"
    assert order(read(new), read(old)) is None


LEXICON = "cat dog old young likes and or , . the in is not of"
WORDS = st.lists(st.sampled_from(LEXICON.split()), max_size=14)


@given(words=WORDS, data=st.data())
def test_order_is_symmetric_and_never_raises(words: list[str], data: st.DataObject) -> None:
    """Any shuffle of any words is judged alike both ways round."""
    new = read(" ".join(words))
    old = read(" ".join(data.draw(st.permutations(words))))
    assert (order(new, old) is None) == (order(old, new) is None)

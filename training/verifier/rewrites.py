"""Rewritings of any question: some keep its answer, some do not.

Each takes a text and returns another, or None where it finds no hold. What keeps the answer is
applied to both labels alike, so that politeness or a typing error tells nothing of the label.
"""

import re
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from families import listed
from lemminflect import getAllLemmas

from proxy.core.judgement.opposites import AXES

Rewrite = Callable[[str, np.random.Generator], "str | None"]

OPENINGS = listed(
    """Please |Can you tell me |Could you tell me |I'd like to know |Hi, |
Hello! |Hey |Quick question: |I was wondering |
Do you know |Tell me |Sorry to bother you, |Can you help me? |
I have a question. |Good morning, |Just curious: |One more thing: |My friend asked me this: |
I am new to this. |I am writing a report and need to know: |Thanks in advance. |
For my own interest, |As a beginner I ask: |ok so |um, """,
    "|",
)
CLOSINGS = listed(
    """| please|, thanks| thank you|? Thanks!|, please| asap|, any idea|
?? |!| - help""",
    "|",
)
SPELLINGS = dict(
    pair.split("=")
    for pair in listed(
        """what is=what's;how do I=how can I;how do I=how to;how can I=how do I;
    how can I=what is the best way to;how to=how do you;I am=I'm;is not=isn't;do not=don't;
    cannot=can't;what are=which are;give me=show me;tell me=give me;show me=tell me;
    explain=describe;describe=explain;steps to=how to;purchase=buy;buy=purchase;phone=mobile phone;
    begin=start;big=large;large=big;fix=repair;repair=fix;need=require;get=obtain;help me=assist me;
    quickly=fast;movie=film;film=movie;car=automobile;doctor=physician;kids=children;
    children=kids;job=position;company=firm;cost=price;price=cost;error=problem;problem=issue;
    issue=problem;cheap=inexpensive;write=compose;write=draft;create=make;make=create;
    information=info;why is=how come;where can I=where do I;I want to=I would like to;
    can I=am I able to;is it possible to=can I;vs=versus;and=&;approximately=about;
    customer=client;delete=remove;remove=delete;modify=change;change=modify;
    difficult=hard;easy=simple;simple=easy;picture=photo;photo=picture""",
        ";",
    )
    for pair in [pair.strip()]
)
FILLERS = frozenset(listed("the a an is are do does can could would please my to of i you me"))
SCOPES = listed(
    """first;last;next;previous;latest;oldest;second;only;other;second-hand;
international;annual""",
    ";",
)
RESTRICTIONS = listed(
    """ in 2019| in 2021| for beginners| without a computer| on a phone| for free|
 in Canada| in Japan| at night| during winter| for children| after surgery| before breakfast|
 without experience| with my wife| in less than 5 minutes| next year| last year| on weekends|
 in French| in Excel| using Python| using Java| as a student| as a foreigner| for a dog| for women|
 for men| except on Sundays| in bulk""",
    "|",
)
ASKING = {
    "how": "why",
    "why": "how",
    "when": "where",
    "where": "when",
    "who": "when",
    "what": "why",
}
OWNERS = {
    "my": ("your", "his", "her", "our"),
    "your": ("my", "their"),
    "his": ("her", "my"),
    "her": ("his", "my"),
    "our": ("their", "my"),
    "their": ("our",),
}
NEGATED = (
    ("how to ", "how not to "),
    ("should I ", "should I not "),
    (" with ", " without "),
    (" without ", " with "),
    ("ways to ", "ways not to "),
    ("Is it ok to ", "Is it ok not to "),
    ("do I need ", "do I not need "),
    (" who ", " who do not "),
    ("can ", "can never "),
    (" is ", " is not "),
    (" are ", " are not "),
    (" want ", " don't want "),
)
TIMES = (
    ("is ", "was "),
    ("before", "after"),
    ("after", "before"),
    ("today", "yesterday"),
    ("tomorrow", "today"),
    ("yesterday", "tomorrow"),
    (" at least ", " at most "),
    (" more ", " less "),
    (" less ", " more "),
    ("most ", "least "),
    ("since", "until"),
    (" from ", " to "),
    (" over ", " under "),
    ("highest", "lowest"),
    ("and", "or"),
    ("all", "some"),
    ("always", "never"),
    ("minimum", "maximum"),
    ("weekly", "monthly"),
)


def _poles() -> dict[str, list[str]]:
    opposite: dict[str, list[str]] = {}
    for one, other in AXES:
        for here, there in ((one, other), (other, one)):
            turned = sorted(word.replace("_", " ") for word in there)
            for word in here:
                opposite.setdefault(word.replace("_", " "), []).extend(turned)
    return opposite


OPPOSITE = _poles()


def choose(items: list[str] | tuple[str, ...], rng: np.random.Generator) -> str:
    return items[int(rng.integers(len(items)))]


def replaced(text: str, old: str, new: str) -> str | None:
    """The text with one whole-word `old` replaced, whatever its case."""
    pattern = re.compile(rf"(?<!\w){re.escape(old)}(?!\w)", re.IGNORECASE)
    if pattern.search(text) is None:
        return None
    return pattern.sub(lambda _: new, text, count=1)


# What keeps the answer


def opened(text: str, rng: np.random.Generator) -> str:
    opening = choose(OPENINGS, rng)
    starts = text[:1].lower() + text[1:] if text[1:2].islower() and opening[-2:] != ". " else text
    return opening + starts


def closed(text: str, rng: np.random.Generator) -> str:
    return text.rstrip(" ?.!") + choose(CLOSINGS, rng)


def respelled(text: str, rng: np.random.Generator) -> str | None:
    for old in rng.permutation(list(SPELLINGS)):
        if (found := replaced(text, str(old), SPELLINGS[str(old)])) is not None:
            return found
    return None


def lowered(text: str, _: np.random.Generator) -> str:
    return text.lower()


def unmarked(text: str, _: np.random.Generator) -> str:
    return text.rstrip("?.! ")


def capitalised(text: str, _: np.random.Generator) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else text + "?"


def terse(text: str, rng: np.random.Generator) -> str | None:
    words = text.split()
    kept = [w for w in words if w.lower() not in FILLERS or rng.random() < 0.3]
    return " ".join(kept) if 2 < len(kept) < len(words) else None


def mistyped(text: str, rng: np.random.Generator) -> str | None:
    words = text.split()
    at = [i for i, w in enumerate(words) if len(w) > 4 and w.isalpha() and w.islower()]
    if not at:
        return None
    i = int(rng.choice(at))
    j = int(rng.integers(1, len(words[i]) - 1))
    word = words[i]
    words[i] = (
        word[:j] + word[j + 1 :]
        if rng.random() < 0.5
        else word[:j] + word[j + 1] + word[j] + word[j + 2 :]
    )
    return " ".join(words)


def fronted(text: str, _: np.random.Generator) -> str | None:
    """`how do I do this in Java` -> `in Java, how do I do this`."""
    found = re.match(
        r"(.{12,}?) ((?:in|on|at|for|during|after|before|when|if|without|since) "
        r"[\w' ]{2,30})[?.!]?$",
        text,
    )
    return f"{found[2]}, {found[1]}" if found else None


def relisted(text: str, _: np.random.Generator) -> str | None:
    """`cats and dogs` -> `dogs and cats`; `a, b and c` -> `b, a and c`; `A vs B` -> `B vs A`."""
    for pattern, order in (
        (r"\b(\w{3,}), (\w{3,}),? (and|or) (\w{3,})\b", "{2}, {1} {3} {4}"),
        (
            r"(?<=between )((?:[\w'-]+ ){0,2}[\w'-]+) (and) ((?:[\w'-]+ ){0,2}[\w'-]+)",
            "{3} {2} {1}",
        ),
        (r"(?<=\ba )(\w{3,}) (and|or) a (\w{3,})\b", "{3} {2} a {1}"),
        (r"\b(\w{3,}) (and|or|vs|versus) (\w{3,})\b", "{3} {2} {1}"),
    ):
        if found := re.search(pattern, text):
            turned = order.format("", *found.groups())
            return text[: found.start()] + turned + text[found.end() :]
    return None


QUESTIONING = frozenset(listed("what which who whom whose how why when where"))


def is_keywords(text: str) -> bool:
    """A bag of words for a search box: nothing in it says who does what to whom."""
    found = {word.lower().strip("?,.!") for word in text.split()}
    return len(found) > 2 and found.isdisjoint(FILLERS | QUESTIONING | {"than", "from", "by"})


def rotated(text: str, rng: np.random.Generator) -> str | None:
    """`python convert csv to parquet` for `convert csv to parquet python`: keywords only."""
    if not is_keywords(text):
        return None
    words = text.rstrip("?.! ").split()
    at = int(rng.integers(1, len(words)))
    if words[at - 1].lower() in LINKS or words[at].lower() in LINKS:
        return None
    return " ".join(words[at:] + words[:at])


LINKS = frozenset(listed("and or in on at for with without to from by vs versus & not no over"))


def topicalised(text: str, _: np.random.Generator) -> str | None:
    """`how do I sort a list in Java` -> `Java: sort a list`, `java sort a list`."""
    found = re.match(
        r"(?:how (?:do i|can i|to) |what is the way to |show me how to )?(.{8,}?) "
        r"(?:in|on|with|using|for) (?:the |a )?([\w.+#-]{2,20}(?: [\w.+#-]{2,20})?)[?.!]?$",
        text,
        re.IGNORECASE,
    )
    return f"{found[2]} {found[1]}" if found else None


def spaced(text: str, rng: np.random.Generator) -> str | None:
    """Careless marks: a quote, a doubled or lost space beside a mark, a full stop for a comma."""
    old, new = choose(["?=??", ",= ,", "'=`", "-= ", ".=", "\"='", ", =,", "?= ?"], rng).split("=")
    return text.replace(old, new, 1) if old in text else None


KEEPING: tuple[tuple[Rewrite, float], ...] = (
    (opened, 0.16),
    (closed, 0.10),
    (respelled, 0.22),
    (lowered, 0.14),
    (unmarked, 0.10),
    (capitalised, 0.40),
    (terse, 0.10),
    (mistyped, 0.06),
    (fronted, 0.10),
    (relisted, 0.15),
    (rotated, 0.35),
    (topicalised, 0.05),
    (spaced, 0.05),
)


def dressed(text: str, rng: np.random.Generator) -> str:
    """The same question as another person would type it."""
    for at in rng.permutation(len(KEEPING)):
        rewrite, share = KEEPING[int(at)]
        if rng.random() < share:
            text = rewrite(text, rng) or text
    return text


# What does not


def opposed(text: str, rng: np.random.Generator) -> str | None:
    words = re.findall(r"[A-Za-z]+", text)
    for word in rng.permutation(words):
        if str(word).lower() in OPPOSITE and len(word) > 2:
            return replaced(text, str(word), choose(OPPOSITE[str(word).lower()], rng))
    return None


def renumbered(text: str, rng: np.random.Generator) -> str | None:
    found = list(re.finditer(r"(?<![\w.])\d+", text))
    if not found:
        return None
    match = found[int(rng.integers(len(found)))]
    old = int(match[0][:9])
    new = old
    while new == old:
        new = int(rng.choice([old + 1, abs(old - 1), old * 2, old * 10, rng.integers(1, 100)]))
    return text[: match.start()] + str(new) + text[match.end() :]


def _table(text: str, rng: np.random.Generator, table: list[tuple[str, str]]) -> str | None:
    for at in rng.permutation(len(table)):
        old, new = table[int(at)]
        if old.lower() in f" {text.lower()} ":
            found = re.sub(
                re.escape(old.strip()) + r"\b", new.strip(), text, count=1, flags=re.IGNORECASE
            )
            if found != text:
                return found
    return None


def negated(text: str, rng: np.random.Generator) -> str | None:
    return _table(text, rng, list(NEGATED))


def shifted(text: str, rng: np.random.Generator) -> str | None:
    return _table(text, rng, [(o if o.startswith(" ") else f" {o}", n) for o, n in TIMES])


def owned(text: str, rng: np.random.Generator) -> str | None:
    for old in rng.permutation(list(OWNERS)):
        if (found := replaced(text, str(old), choose(OWNERS[str(old)], rng))) is not None:
            return found
    return None


def asked(text: str, rng: np.random.Generator) -> str | None:
    _ = rng
    first = text.partition(" ")[0].lower()
    return ASKING[first] + text[len(first) :] if first in ASKING else None


def scoped(text: str, rng: np.random.Generator) -> str | None:
    for word in rng.permutation(["the", "my", "a"]):
        if found := replaced(
            text, str(word), f"{'the' if word == 'a' else word} {choose(SCOPES, rng)}"
        ):
            return found
    return None


def restricted(text: str, rng: np.random.Generator) -> str:
    end = "?" if text.rstrip().endswith("?") else ""
    return text.rstrip(" ?.!") + choose(RESTRICTIONS, rng) + end


BOTH_WAYS = frozenset(
    listed("and or vs versus between same different difference like compare both")
)
PLAIN = FILLERS | frozenset(
    listed(
        """this that these those there have has been with from about into what which when where will
        your some more most than then them they their just need want know tell please help many
        much"""
    )
)


def exchanged(text: str, rng: np.random.Generator) -> str | None:
    """Two words of content change places, unless the text may hold both ways round."""
    words = text.split()
    if is_keywords(text) or not BOTH_WAYS.isdisjoint(word.lower().strip("?,.") for word in words):
        return None
    at = [i for i, w in enumerate(words) if len(w) > 2 and w.isalnum() and w.lower() not in PLAIN]
    pairs = [(i, j) for i in at for j in at if j - i > 1]
    if not pairs:
        return None
    i, j = pairs[int(rng.integers(len(pairs)))]
    words[i], words[j] = words[j], words[i]
    return " ".join(words)


def _kinds(words: list[str]) -> list[frozenset[str]]:
    """What each word can be (NOUN, ADJ, VERB, ADV), by a dictionary of inflections."""
    return [frozenset(lemmas(word.strip("?,.!'\"").lower())) for word in words]


@lru_cache(maxsize=50_000)
def lemmas(word: str) -> tuple[str, ...]:
    return tuple(getAllLemmas(word))


def _swapped(
    text: str, places: list[int], words: list[str], rng: np.random.Generator
) -> str | None:
    pairs = [
        (i, j)
        for i in places
        for j in places
        if j - i > 1 and words[i].lower() != words[j].lower() and not _is_list(words, i, j)
    ]
    if (
        not pairs
        or is_keywords(text)
        or not BOTH_WAYS_STRICT.isdisjoint(w.lower().strip("?,.") for w in words)
    ):
        return None
    i, j = pairs[int(rng.integers(len(pairs)))]
    one, other = words[i].rstrip("?,.!"), words[j].rstrip("?,.!")
    words[i], words[j] = other + words[i][len(one) :], one + words[j][len(other) :]
    return " ".join(words)


def _is_list(words: list[str], i: int, j: int) -> bool:
    """Whether only listing words and articles part them: `rich and poor`, `a cat or a dog`."""
    between = {word.lower().strip(",") for word in words[i + 1 : j]}
    return between <= {"and", "or", "a", "an", "the", "nor", "&"} or words[i].endswith(",")


def requalified(text: str, rng: np.random.Generator) -> str | None:
    """Two adjectives change their nouns: `a left turn into the right lane`."""
    words = text.split()
    kinds = _kinds(words)
    places = [
        at
        for at in range(len(words) - 1)
        if "ADJ" in kinds[at] and "NOUN" in kinds[at + 1] and words[at].lower() not in PLAIN
    ]
    return _swapped(text, places, words, rng)


def recast(text: str, rng: np.random.Generator) -> str | None:
    """Two nouns change their parts: `which tax do states pay to cities`."""
    words = text.split()
    kinds = _kinds(words)
    places = [
        at
        for at in range(1, len(words))
        if "NOUN" in kinds[at]
        and not kinds[at] & {"ADJ", "ADV"}
        and words[at].lower() not in PLAIN
        and words[at - 1].lower() not in {"to", "can", "i", "you", "do", "does", "did"}
    ]
    return _swapped(text, places, words, rng)


BOTH_WAYS_STRICT = frozenset(
    listed("vs versus between same different difference differences similar alike compare both")
)

CHANGING: tuple[tuple[Rewrite, float], ...] = (
    (requalified, 0.14),
    (recast, 0.16),
    (exchanged, 0.10),
    (opposed, 0.26),
    (renumbered, 0.14),
    (negated, 0.12),
    (shifted, 0.12),
    (owned, 0.05),
    (asked, 0.05),
    (scoped, 0.08),
    (restricted, 0.10),
)


def changed(text: str, rng: np.random.Generator) -> str | None:
    """Another question in almost the same words; None where nothing took hold."""
    odds = np.array([share for _, share in CHANGING])
    for at in rng.choice(len(CHANGING), size=4, replace=False, p=odds / odds.sum()):
        found = CHANGING[int(at)][0](text, rng)
        if found is not None and found.lower() != text.lower():
            return found
    return None

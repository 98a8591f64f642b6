"""Pairs about who does what to whom, made from a grammar rather than from families.

Order and voice are what MiniLM's backbone sees least, and what a family at a time teaches badly:
here any two nouns meet any verb. Every pair is labelled by rule: `A did V to B` is `B was V-ed by
A`, and nothing else of the same words; `more than` one way is `less than` the other way; what
holds both ways round may be turned round.
"""

from collections.abc import Iterator

import numpy as np
from families import Pair, Value, listed

# base, past, participle
VERBS = [
    tuple(part.split("/"))
    for part in listed("""call/called/called help/helped/helped
    invite/invited/invited follow/followed/followed
    criticize/criticized/criticized praise/praised/praised pay/paid/paid blame/blamed/blamed
    visit/visited/visited interview/interviewed/interviewed train/trained/trained
    replace/replaced/replaced support/supported/supported attack/attacked/attacked
    defend/defended/defended ignore/ignored/ignored recommend/recommended/recommended
    trust/trusted/trusted teach/taught/taught see/saw/seen know/knew/known hurt/hurt/hurt
    catch/caught/caught beat/beat/beaten chase/chased/chased sue/sued/sued hire/hired/hired
    fire/fired/fired promote/promoted/promoted admire/admired/admired betray/betrayed/betrayed
    influence/influenced/influenced contact/contacted/contacted inspire/inspired/inspired
    evaluate/evaluated/evaluated nominate/nominated/nominated rescue/rescued/rescued
    envy/envied/envied mention/mentioned/mentioned quote/quoted/quoted fund/funded/funded
    threaten/threatened/threatened accuse/accused/accused forgive/forgave/forgiven
    understand/understood/understood remember/remembered/remembered find/found/found
    choose/chose/chosen feed/fed/fed lead/led/led approach/approached/approached
    harm/harmed/harmed audit/audited/audited push/pushed/pushed carry/carried/carried""")
]
THINGS = """the server/the client;the parser/the compiler;the old contract/the new contract;
    the bank/the broker;the buyer/the agency;the union/the board;the patient/the surgeon;
    the tenant/the landlord;the frontend/the backend;the virus/the antibody;the court/the council;
    the students/the teachers;the police/the protesters;the editor/the author;
    the lion/the hyena;the dog/the cat;the cache/the database;the moon/the tide;
    the red team/the blue team;the mother/the daughter;the manager/the intern""".replace(
    "\n", ""
).split(";")
COMPARED = [
    tuple(part.strip().split("/"))
    for part in listed(
        """taller/shorter;older/younger;faster/slower;richer/poorer;heavier/lighter;
    stronger/weaker;more expensive/cheaper;larger/smaller;louder/quieter;harder/easier;
    better/worse;safer/more dangerous;hotter/colder;longer/shorter;more common/rarer;
    more popular/less popular;more accurate/less accurate;more useful/less useful;
    healthier/less healthy;more reliable/less reliable""",
        ";",
    )
]
MUTUAL = listed(
    """married to/friends with/related to/equal to/compatible with/similar to/close to/
    the same as/different from/in contact with/next to/identical to""",
    "/",
)
EVENTS = """breakfast;the exam;the surgery;a workout;the merger;the interview;the update;the war;
    graduation;the flight;the vaccination;the deadline;the election;signing the contract;
    the holidays;paying the deposit;the backup;deployment;moving house;a meal""".replace(
    "\n", ""
).split(";")
DOINGS = """drink coffee;take a shower;stretch;restart the server;call the lawyer;eat fruit;
    sell the shares;exercise;sign the lease;run the tests;book a hotel;change the password;
    take antibiotics;pay the tax;water the plants;freeze the account;brush my teeth""".replace(
    "\n", ""
).split(";")
ADJECTIVES = """famous;young;French;retired;experienced;German;successful;unknown;rich;Indian;
    award-winning;female;freelance;junior;senior;popular;licensed;Canadian;modern""".replace(
    "\n", ""
).split(";")


class Relations:
    """Draws pairs.

    Args:
        slots: Values by kind of slot; people, firms, animals, countries and jobs are used.
        rng: Decides everything.
    """

    def __init__(self, slots: dict[str, list[Value]], rng: np.random.Generator) -> None:
        self._slots = slots
        self._rng = rng

    def _pick(self, items: "list[str] | list[tuple[str, ...]]") -> "str | tuple[str, ...]":
        return items[int(self._rng.integers(len(items)))]

    def _is(self, share: float) -> bool:
        return bool(self._rng.random() < share)

    def _two(self) -> tuple[str, str]:
        kind = str(
            self._pick(["person", "person", "company", "animal", "country", "things", "lang"])
        )
        if kind == "things":
            one, other = str(self._pick(THINGS)).strip().split("/")
            return (one, other) if self._is(0.5) else (other, one)
        values = self._slots[kind]
        first, second = self._rng.choice(len(values), 2, replace=False)
        return values[int(first)][0], values[int(second)][0]

    def pairs(self) -> Iterator[Pair]:
        """Endless."""
        makers = [self._acts, self._acts, self._compares, self._mutual, self._times, self._listed]
        makers += [self._described]
        while True:
            pair = makers[int(self._rng.integers(len(makers)))]()
            if pair.a != pair.b:
                yield pair

    def _told(self, verb: tuple[str, ...], one: str, other: str) -> str:
        base, past, participle = verb
        return str(
            self._pick(
                [
                    f"did {one} {base} {other}",
                    f"was {other} {participle} by {one}",
                    f"is it true that {one} {past} {other}",
                    f"has {other} been {participle} by {one}",
                    f"has {one} {participle} {other}",
                    f"was it {one} who {past} {other}",
                    f"why did {one} {base} {other}",
                    f"why was {other} {participle} by {one}",
                    f"when was {other} {participle} by {one}",
                    f"when did {one} {base} {other}",
                ]
            )
        )

    def _acts(self) -> Pair:
        verb = self._pick(VERBS)
        one, other = self._two()
        a = self._told(verb, one, other)  # type: ignore[arg-type]
        word = a.split()[0]
        asked = word if word in ("why", "when") else ""
        turned = self._is(0.55)
        ends = (other, one) if turned else (one, other)
        other_verb = not turned and self._is(0.2)
        while True:
            verb = self._pick(VERBS) if other_verb else verb
            b = self._told(verb, *ends)  # type: ignore[arg-type]
            theirs = b.split()[0] if b.split()[0] in ("why", "when") else ""
            if theirs == asked or self._is(0.03):
                same = theirs == asked and not turned and not other_verb
                return Pair(a, b, int(same), "acts")

    def _compares(self) -> Pair:
        more, less = self._pick(COMPARED)
        one, other = self._two()
        frame = str(
            self._pick(
                [
                    "is {} {} than {}",
                    "why is {} {} than {}",
                    "is it true that {} is {} than {}",
                    "how much {1} is {0} than {2}",
                    "would you say {} is {} than {}",
                ]
            )
        )
        a = frame.format(one, more, other)
        same = self._is(0.5)
        if same:
            b = frame.format(other, less, one)
        else:
            b = frame.format(*(((other, more, one), (one, less, other))[int(self._is(0.4))]))
        return Pair(a, b, int(same), "compares")

    def _mutual(self) -> Pair:
        one, other = self._two()
        relation = str(self._pick(MUTUAL)).strip()
        frame = str(self._pick(["is {} {} {}", "why is {} {} {}", "since when is {} {} {}"]))
        if self._is(0.7):
            return Pair(
                frame.format(one, relation, other), frame.format(other, relation, one), 1, "mutual"
            )
        third = self._two()[1]
        return Pair(
            frame.format(one, relation, other),
            frame.format(third, relation, one),
            int(third == other),
            "mutual",
        )

    def _times(self) -> Pair:
        doing, event = str(self._pick(DOINGS)).strip(), str(self._pick(EVENTS)).strip()
        frames = [
            "should I {} {} {}",
            "is it a good idea to {} {} {}",
            "can I {} {} {}",
            "what happens if I {} {} {}",
            "do I have to {} {} {}",
        ]
        frame = str(self._pick(frames))
        when = str(self._pick(["before", "after", "during"]))
        a = frame.format(doing, when, event)
        if self._is(0.45):
            same = {"before": "prior to", "after": "following", "during": "in the course of"}[when]
            return Pair(a, frame.format(doing, same, event), 1, "times")
        others = [w for w in ("before", "after", "during", "instead of") if w != when]
        if self._is(0.2):
            negated = frame.replace("to {}", "not to {}").replace("I {}", "I not {}")
            return Pair(a, negated.format(doing, when, event), 0, "times")
        return Pair(a, frame.format(doing, str(self._pick(others)), event), 0, "times")

    def _listed(self) -> Pair:
        one, other = self._two()
        frames = [
            "are {} {} {} worth it",
            "tell me about {} {} {}",
            "who works with {} {} {}",
            "is there a problem with {} {} {}",
            "what do people say about {} {} {}",
        ]
        frame = str(self._pick(frames))
        word = str(self._pick(["and", "or"]))
        a = frame.format(one, word, other)
        chance = self._rng.random()
        if chance < 0.55:
            return Pair(a, frame.format(other, word, one), 1, "listed")
        if chance < 0.75:
            return Pair(a, frame.format(one, "or" if word == "and" else "and", other), 0, "listed")
        third, _ = self._two()
        same = third in (one, other)
        return Pair(
            a, frame.format(one, word, third) if not same else a + " now", int(same), "listed"
        )

    def _described(self) -> Pair:
        job = self._slots["job"][int(self._rng.integers(len(self._slots["job"])))][0]
        who = self._slots["person"][int(self._rng.integers(len(self._slots["person"])))][0]
        one, other = (str(self._pick(ADJECTIVES)).strip() for _ in range(2))
        frame = str(
            self._pick(
                [
                    "did {} meet a {} {}",
                    "does {} live with a {} {}",
                    "is {} a {} {}",
                    "will {} marry a {} {}",
                    "does {} want to be a {} {}",
                ]
            )
        )
        a = frame.format(who, one, job)
        if self._is(0.35):
            start = str(self._pick(["is it true: ", "tell me, ", "I wonder, ", "so "]))
            return Pair(a, start + a, 1, "described")
        if self._is(0.4):
            return Pair(a, frame.format(who, "", job).replace("  ", " "), 0, "described")
        return Pair(a, frame.format(who, other, job), int(one == other), "described")

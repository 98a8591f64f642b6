"""Numbers, units and the calendar of one question, each in one canonical form.

`five`, `5`, `5th` and `V` after a name are one number; `1,000`, `1k` and `a thousand` another.
A date is read into its parts, so that `2023-01-02` meets `Jan 2, 2023`; `01/02/2023` keeps both of
its small numbers and names no month, because nobody can say which is meant.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from proxy.core.judgement.measures import (
    ASKING,
    COMPOUND_HEADS,
    FAINT_UNITS,
    GLUED_ONLY,
    UNITS,
)
from proxy.core.judgement.tokens import Token
from proxy.core.judgement.words import (
    COUNT_WORDS,
    FAINT,
    FAINT_MONTHS,
    MAGNITUDES,
    MONTHS,
    NUMBER_WORDS,
    ORDINAL_WORDS,
    PERIODS,
    RELATIVE_DAYS,
    WEEKDAYS,
    closed,
)

LONGEST_NUMBER: Final = 15
"""Digits that a float holds exactly; a longer run is an identifier."""

ORDINAL_SUFFIXES: Final = frozenset({"st", "nd", "rd", "th"})
GLUED_MAGNITUDES: Final = {"k": 1e3, "mn": 1e6, "bn": 1e9, "tn": 1e12}
MONEY_MAGNITUDES: Final = {"m": 1e6, "b": 1e9}
"""After a sum of money: elsewhere `5m` are metres."""
CURRENCIES: Final = frozenset("$\u20ac\u00a3\u00a5\u20b9")
OPERATORS: Final = {
    "+": "+",
    "-": "-",
    "*": "*",
    "/": "/",
    "x": "*",
    "\N{MULTIPLICATION SIGN}": "*",
    "÷": "/",
    "^": "^",
    "**": "^",
    "//": "//",
    "<": "<",
    ">": ">",
    "<=": "<=",
    ">=": ">=",
    "=": "=",
    "==": "==",
    "!=": "!=",
    "<>": "!=",
    "plus": "+",
    "minus": "-",
    "times": "*",
}
POWERS: Final = frozenset({"squared", "cubed"})
COMPARING: Final = frozenset({"<", ">", "<=", ">=", "=", "==", "!=", "<>"})
BEFORE_A_MONTH: Final = closed("in of by since until till before after this last next mid")
WHICH_PERIOD: Final = {
    "next": "next",
    "coming": "next",
    "upcoming": "next",
    "last": "last",
    "past": "last",
    "previous": "last",
    "this": "this",
    "current": "this",
}
SERIES: Final = closed("war part chapter phase type act volume level stage class book")
"""After these a lone `I` is a number."""

_ROMAN: Final = {
    tens + ones: 10 * len(tens) + value
    for tens in ("", "X", "XX", "XXX")
    for value, ones in enumerate(("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"))
    if tens + ones
}
"""1 to 39: higher ones are written with letters that make too many acronyms (`CD`, `MIX`)."""

FAINT_PERIODS: Final = frozenset({"this", "current", "past"})
FAINT_DAYS: Final = closed("today spring summer autumn winter morning night evening")
"""Alone these are no reason: `this evening's weather` and `the weather` may be one question."""

TENS: Final = 20
"""From here on a number word may be followed by one below ten."""
BELOW_TEN: Final = 10
HUNDRED: Final = 100
THOUSAND: Final = 1_000

SCALES: Final = frozenset("cfk")
"""Initials of scales of temperature."""
VAGUE: Final = closed("several few many some")
"""`Several thousand` is no number."""

RATIO: Final = closed("per a an") | {"/"}
"""After a unit they make another unit of it: `miles per hour`."""

OPENERS: Final = frozenset({"degree", "degrees"}).union(
    *(NUMBER_WORDS, MAGNITUDES, ORDINAL_WORDS, COUNT_WORDS),
    *(WEEKDAYS, MONTHS, WHICH_PERIOD, RELATIVE_DAYS),
    *(UNITS, FAINT_UNITS, COMPOUND_HEADS),
)
"""The words that a quantity can begin with, besides Roman numerals: all others need no look."""

LAST_MONTH: Final = 12
CENTURY_TURN: Final = 70
"""Two-digit years from here on are of the last century (POSIX strptime uses 69)."""


@dataclass(slots=True)
class Quantities:
    """What the scan found; `faint` holds the numbers and days that only count against another."""

    numbers: set[str] = field(default_factory=set)
    faint: set[str] = field(default_factory=set)
    units: set[str] = field(default_factory=set)
    measures: set[tuple[str, str]] = field(default_factory=set)
    calendar: set[str] = field(default_factory=set)
    faint_calendar: set[str] = field(default_factory=set)
    operators: set[str] = field(default_factory=set)
    operations: set[tuple[str, str, str]] = field(default_factory=set)
    long: set[str] = field(default_factory=set)


def numeral(value: float) -> str:
    """A number's one spelling."""
    return str(int(value)) if value == int(value) else f"{value:.9g}"


def _digits(text: str) -> float | None:
    bare = text.replace(",", "").lstrip("+")
    return float(bare) if len(bare) <= LONGEST_NUMBER else None


class Scan:
    """Reads tokens left to right; `take` returns how many it used, 0 when none is a quantity."""

    def __init__(self, tokens: Sequence[Token], lower: Sequence[str]) -> None:
        self._tokens = tokens
        self._lower = [word.removesuffix("'s") for word in lower]
        self.found = Quantities()
        self._last = ""

    def _word(self, at: int) -> str:
        return self._lower[at] if 0 <= at < len(self._lower) else ""

    def _kind(self, at: int) -> str:
        return self._tokens[at].kind if 0 <= at < len(self._tokens) else ""

    def _glued(self, at: int) -> bool:
        return at < len(self._tokens) and self._tokens[at].glued

    def take(self, at: int) -> int:
        """Tries the token at this place, and those that belong to it."""
        kind = self._kind(at)
        if kind == "word":
            may_open = self._lower[at] in OPENERS or self._tokens[at].text in _ROMAN
            return self._opened(at) if may_open else 0
        if kind == "number":
            return self._figures(at)
        if kind == "mark":
            return self._mark(at)
        if kind == "code":
            return self.unit(at)
        if kind in {"iso", "slash", "clock", "round"}:
            self._stamp(kind, self._word(at))
            return 1
        return 0

    def _opened(self, at: int) -> int:
        return self._number_words(at) or self._roman(at) or self._day(at) or self.unit(at)

    def _figures(self, at: int) -> int:
        value = _digits(self._word(at))
        if value is None:
            self.found.long.add(self._word(at))
            return 1
        used = 1
        after = self._word(at + 1)
        if after == "/" and self._glued(at + 1) and self._kind(at + 2) == "number":
            if "/" not in (self._word(at - 1), self._word(at + 3)) and (
                below := _digits(self._word(at + 2))
            ):
                value, used = value / below, 3
        elif after in GLUED_MAGNITUDES and self._glued(at + 1):
            value, used = value * GLUED_MAGNITUDES[after], 2
        elif after in MONEY_MAGNITUDES and self._glued(at + 1) and self._word(at - 1) in CURRENCIES:
            value, used = value * MONEY_MAGNITUDES[after], 2
        elif after in MAGNITUDES and after != "k":
            value, used = value * MAGNITUDES[after], 2
        elif after in ORDINAL_SUFFIXES and self._glued(at + 1):
            used = 2
        elif after == "s" and self._glued(at + 1):
            self.found.numbers.add(numeral(value) + "s")
            return 2
        if self._word(at - 1) == "minus" and not self._operand(at - 2, "-", ")"):
            value = -value
        self.found.numbers.add(numeral(value))
        return used + self._measure(at + used, value)

    def _number_words(self, at: int) -> int:
        """`two hundred and fifty thousand`: the longest run that is one number."""
        total, current, place = 0.0, 0.0, at
        while self._word(at - 1) not in VAGUE or self._word(at) not in MAGNITUDES:
            word = self._word(place)
            if word in {"-", "and"} and place > at and current >= TENS:
                if not (
                    self._word(place + 1) in NUMBER_WORDS and (word == "-" or current >= HUNDRED)
                ):
                    break
            elif word in NUMBER_WORDS and (place == at or current % HUNDRED in self._open(word)):
                current += NUMBER_WORDS[word]
            elif (
                word in MAGNITUDES
                and word != "k"
                and (place > at or word in {"hundred", "thousand"} or self._word(at - 1) == "a")
            ):
                current = (current or 1) * MAGNITUDES[word]
                if current >= THOUSAND:
                    total, current = total + current, 0.0
            else:
                break
            place += 1
        if place > at:
            return self._found_words(at, place, total + current)
        return self._one_word(at)

    @staticmethod
    def _open(word: str) -> frozenset[float]:
        """What the last two digits so far may be for this word to go on."""
        tens = frozenset(float(n) for n in range(20, 100, 10))
        return tens | {0.0} if NUMBER_WORDS[word] < BELOW_TEN else frozenset({0.0})

    def _found_words(self, at: int, place: int, value: float) -> int:
        lone = place == at + 1 and self._word(at) in FAINT
        (self.found.faint if lone else self.found.numbers).add(numeral(value))
        return place - at + self._measure(place, value)

    def _one_word(self, at: int) -> int:
        word = self._word(at)
        value = ORDINAL_WORDS.get(word) or COUNT_WORDS.get(word)
        if value is None:
            return 0
        if word == "second" and self._word(at - 1) in ASKING:
            return 0
        (self.found.faint if word in FAINT else self.found.numbers).add(numeral(value))
        return 1

    def _roman(self, at: int) -> int:
        raw = self._tokens[at].text
        if raw not in _ROMAN or (self._tokens[at].starts and len(raw) == 1):
            return 0
        if len(raw) > 1:
            self.found.numbers.add(numeral(_ROMAN[raw]))
            return 1
        if self._word(at - 1) in SERIES or (raw != "I" and self._tokens[at - 1].text[:1].isupper()):
            self.found.faint.add(numeral(_ROMAN[raw]))
            return 1
        return 0

    def _day(self, at: int) -> int:
        word = self._word(at)
        named = WEEKDAYS.get(word)
        if word in MONTHS and self._is_month(at):
            named = f"month {MONTHS[word]}"
        if named:
            self.found.calendar.add(named)
            return 1
        if word in WHICH_PERIOD and self._word(at + 1) in PERIODS:
            faint = word in FAINT_PERIODS
            if faint and self._word(at + 1) in RELATIVE_DAYS:
                self.found.calendar.add(RELATIVE_DAYS[self._word(at + 1)])
                return 2  # the weekend is this weekend
            days = self.found.faint_calendar if faint else self.found.calendar
            days.add(f"{WHICH_PERIOD[word]} {self._word(at + 1)}")
            return 2
        if word in RELATIVE_DAYS:
            faint = word in FAINT_DAYS
            (self.found.faint_calendar if faint else self.found.calendar).add(RELATIVE_DAYS[word])
            return 1
        return 0

    def _is_month(self, at: int) -> bool:
        if self._word(at) not in FAINT_MONTHS:
            return True
        beside_number = "number" in (self._kind(at - 1), self._kind(at + 1))
        token = self._tokens[at]
        capital = token.text[0].isupper() and not token.starts
        return beside_number or capital or self._word(at - 1) in BEFORE_A_MONTH

    def _measure(self, at: int, value: float) -> int:
        """Tries the unit of a number, and notes the two together."""
        used = self.unit(at, measured=True)
        if used and self._word(at + used) not in RATIO:
            self.found.measures.add((numeral(value), self._last))
        return used

    def unit(self, at: int, *, measured: bool = False) -> int:
        """Tries a unit here; `measured` says that a number stands straight before it."""
        word = self._word(at)
        if word in {"-", "°"}:
            used = self.unit(at + 1, measured=True) if measured else 0
            return used + 1 if used else 0
        if word in COMPOUND_HEADS and self._word(at + 1) in UNITS:
            self._last = f"{COMPOUND_HEADS[word]} {UNITS[self._word(at + 1)]}"
            self.found.units.add(self._last)
            return 2
        if word in {"degree", "degrees"} and (used := self.unit(at + 1, measured=True)):
            return 1 + used
        name = UNITS.get(word) or (FAINT_UNITS.get(word) if self._is_unit(at, measured) else None)
        if name is None:
            return 0
        self._last = name
        self.found.units.update(name.split("+"))
        return 1

    def _is_unit(self, at: int, measured: bool) -> bool:
        if self._word(at - 1) == "(" and self._word(at + 1) == ")":
            return True
        if self._word(at) in GLUED_ONLY:
            before = self._word(at - 1)
            after_degrees = before in {"degree", "degrees"} and self._word(at) in SCALES
            return (measured and self._glued(at)) or before in {"°", "/"} or after_degrees
        return measured or (self._word(at - 1) in ASKING and len(self._word(at)) > 1)

    def _mark(self, at: int) -> int:
        word = self._word(at)
        if word in UNITS:
            self.found.units.add(UNITS[word])
            return 1
        return 0

    def operator(self, at: int) -> None:
        """Notes an operator between two numbers; as a sign, between names of variables too."""
        word = self._word(at)
        if word not in OPERATORS:
            return
        if self._kind(at) == "mark":
            between = self._operand(at - 1, word, ")") and self._operand(at + 1, word, "(")
        else:
            between = self._kind(at - 1) == self._kind(at + 1) == "number"
        spaced = not (self._glued(at) or self._glued(at + 1))
        if between and (spaced or word not in "-/"):
            self.found.operators.add(OPERATORS[word])
            self.found.operations.add((self._word(at - 1), OPERATORS[word], self._word(at + 1)))

    def _operand(self, at: int, operator: str, bracket: str) -> bool:
        """Whether this may be calculated with; two names at least can be compared."""
        kind, word = self._kind(at), self._word(at)
        if kind == "number" or word == bracket:
            return True
        named = len(word) == 1 or word in POWERS or operator in COMPARING
        return named and kind in {"word", "snake"}

    def _stamp(self, kind: str, text: str) -> None:
        if kind == "clock":
            self.found.calendar.add(_clock(text))
        elif kind == "round":
            self.found.numbers.add("24")
            self.found.units.add("hour")
        elif kind == "iso":
            year, month, day = (int(part) for part in text.split("-"))
            self._date(year, month, day)
        else:
            one, other, year = (int(part) for part in text.replace(".", "/").split("/"))
            year = year if year >= HUNDRED else year + (1900 if year >= CENTURY_TURN else 2000)
            if one > LAST_MONTH or "." in text:
                self._date(year, other, one)
            elif other > LAST_MONTH:
                self._date(year, one, other)
            else:
                self.found.numbers.update({str(year), str(one), str(other)})

    def _date(self, year: int, month: int, day: int) -> None:
        self.found.numbers.update({str(year), str(day)})
        self.found.calendar.add(f"month {month}")


def _clock(text: str) -> str:
    """A time of day as minutes and, where given, seconds on the 24-hour clock."""
    figures = "".join(c if c.isdigit() or c == ":" else "" for c in text)
    parts = [int(part) for part in figures.split(":")]
    parts += [0] * (3 - len(parts))
    hour = parts[0]
    if "a" in text or "p" in text:
        hour = hour % 12 + (12 if "p" in text else 0)
    return f"{hour:02}:{parts[1]:02}:{parts[2]:02}"

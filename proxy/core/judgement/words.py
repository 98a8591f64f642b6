"""The closed classes of English, as the guards need them.

Every list of this package is of our own making, written class by class from general knowledge of
the language; none is copied or derived from a published word list, and no word is here because of
one sentence. A closed class is written whole: half a class is a bug.
"""

from typing import Final


def closed(text: str) -> frozenset[str]:
    """The words of a text, as a closed class."""
    return frozenset(text.split())


def _forms(text: str) -> dict[str, str]:
    """Each form to the word that opens its group; a semicolon ends a group."""
    groups = [group.split() for group in text.split(";")]
    return {form: group[0] for group in groups for form in group[1:]}


CONTRACTIONS: Final = {
    "can't": "can not",
    "cant": "can not",
    "cannot": "can not",
    "won't": "will not",
    "wont": "will not",
    "shan't": "shall not",
    "ain't": "is not",
    "dont": "do not",
    "doesnt": "does not",
    "didnt": "did not",
    "isnt": "is not",
    "arent": "are not",
    "wasnt": "was not",
    "werent": "were not",
    "hasnt": "has not",
    "havent": "have not",
    "hadnt": "had not",
    "couldnt": "could not",
    "wouldnt": "would not",
    "shouldnt": "should not",
    "mustnt": "must not",
    "let's": "let us",
    "whats": "what is",
    "wanna": "want to",
    "gonna": "going to",
    "gotta": "have to",
    "gimme": "give me",
    "u": "you",
    "ur": "your",
    "pls": "please",
    "plz": "please",
    "thx": "thanks",
    "im": "i am",
    "ive": "i have",
}
"""Short forms whose long form is not found by cutting a suffix."""

CLITICS: Final = {
    "n't": "not",
    "'re": "are",
    "'ve": "have",
    "'ll": "will",
    "'m": "am",
    "'d": "would",
}

IS_CLITIC_HOSTS: Final = closed(
    "what who where when why how which that there here it he she this everything something nothing"
)
"""After these 's is "is"; after any other word it marks a possessor."""

ARTICLES: Final = closed("a an the")
AUXILIARIES: Final = closed(
    "am is are was were be been being do does did doing done have has had having will would shall "
    "should can could may might must ought need"
)
PREPOSITIONS: Final = closed(
    "about above across after against along among around as at before behind below beneath beside "
    "besides between beyond by despite down during except for from in inside into like near of off "
    "on onto out outside over past per regarding since than through throughout to toward towards "
    "under underneath until till up upon via with within without concerning amid versus vs"
)
CONJUNCTIONS: Final = closed(
    "and or but nor so yet if because although though while whereas unless whether then also too"
)
PRONOUNS: Final = closed(
    "i me my mine myself you your yours yourself yourselves we us our ours ourselves he him his "
    "himself she her hers herself it its itself they them their theirs themselves one ones oneself "
    "someone somebody anyone anybody everyone everybody something anything everything who whom "
    "whose this that these those there here such same other another"
)
INTERROGATIVES: Final = closed(
    "what which who whom whose when where why how whatever whichever whoever whenever wherever"
)
DETERMINERS: Final = closed("some any each every all both either neither much many few several no")
ADVERBS: Final = closed(
    "very really actually truly indeed quite just simply basically literally ever even still "
    "already again perhaps maybe rather exactly currently now nowadays presently generally usually "
    "typically normally probably possibly please kindly quickly easily properly correctly fact"
)
"""Adverbs that colour a question and leave its answer as it is."""

GREETINGS: Final = closed("please kindly hi hello hey dear sir madam thanks thank cheers greetings")
"""Words of greeting and thanks that are hardly anything else; never content."""

COURTESIES: Final = closed(
    "please kindly hi hello hey dear sir madam thanks thank cheers greetings good morning "
    "afternoon "
    "evening quick question sorry excuse appreciate appreciated ok okay folks guys everyone anyone "
    "wondering wonder advance regards"
)
"""Words of greeting and thanks; ignored where they stand in a greeting, kept elsewhere."""

REQUESTS: Final = closed(
    "tell give show explain describe say let know want wanna like need help get find list name "
    "provide write define clarify detail outline discuss elaborate inform teach guide ask please "
    "make go come use using used mean means meant called way ways thing things step steps method "
    "methods process procedure someone example examples tip tips advice idea ideas information "
    "info details detail reason reasons best good possible able work works happen happens there "
    "explanation description overview question answer summary guide tutorial instructions "
    "command syntax code snippet function script recommend recommendation suggest suggestion"
)
"""Light words: how the question is put rather than what it is about."""

STOP: Final = (
    ARTICLES | AUXILIARIES | PREPOSITIONS | CONJUNCTIONS | PRONOUNS | INTERROGATIVES | DETERMINERS
) | ADVERBS
"""Words that are not content by themselves; other guards look at those that still matter."""

NEGATORS: Final = closed(
    "not never no without nor neither none nobody nothing nowhere hardly barely scarcely lack "
    "lacks lacking lacked nope non absence absent avoid avoids avoiding avoided refrain refrains "
    "refraining"
)
LACKED: Final = closed(
    "ad ads additive alcohol allergen bpa caffeine carb carbon chemical chlorine cholesterol "
    "corn cruelty dairy debt distraction dust egg fat fluoride fragrance gluten gmo grain "
    "lactose latex lead meat msg nut nuts oil pain paraben peanut pesticide plastic preservative "
    "risk salt scent smoke sodium soy stress sugar sulfate waste wheat worry wrinkle yeast"
)
"""What is not there when it is followed by `free`; `duty free` and `hands free` are names."""
AVOIDING: Final = closed("avoid avoids avoiding avoided refrain refrains refraining")
"""Negators that are also verbs: against another word for the same they negate nothing."""
PREVENTING: Final = closed(
    "avoid refrain prevent stop quit skip omit escape eliminate exclude reduce leave cease halt "
    "deter"
)
"""Verbs that may stand where `avoid` does."""

_POSITIVE_OF: Final = """
able unable; acceptable unacceptable; available unavailable; aware unaware; believable
unbelievable; certain uncertain; clear unclear; comfortable uncomfortable; common uncommon;
conscious unconscious; covered uncovered; employed unemployed; encrypted unencrypted; equal
unequal; ethical unethical; even uneven; expected unexpected; fair unfair; familiar unfamiliar;
fit unfit; fortunate unfortunate; happy unhappy; harmed unharmed; healthy unhealthy; helpful
unhelpful; important unimportant; insured uninsured; known unknown; lawful unlawful; licensed
unlicensed; likely unlikely; limited unlimited; lucky unlucky; married unmarried; natural
unnatural; necessary unnecessary; opened unopened; paid unpaid; pleasant unpleasant; popular
unpopular; protected unprotected; qualified unqualified; ready unready; read unread; real
unreal; reasonable unreasonable; reliable unreliable; resolved unresolved; responsive
unresponsive; restricted unrestricted; safe unsafe; secured unsecured; signed unsigned; sorted
unsorted; stable unstable; successful unsuccessful; suitable unsuitable; supported unsupported;
sure unsure; taxed untaxed; trusted untrusted; used unused; usual unusual; verified unverified;
wanted unwanted; willing unwilling; accurate inaccurate; active inactive; adequate inadequate;
appropriate inappropriate; capable incapable; compatible incompatible; complete incomplete;
consistent inconsistent; correct incorrect; curable incurable; dependent independent; direct
indirect; effective ineffective; efficient inefficient; eligible ineligible; experienced
inexperienced; formal informal; frequent infrequent; secure insecure; significant insignificant;
sufficient insufficient; tolerant intolerant; valid invalid; visible invisible; balanced
imbalanced unbalanced; mature immature; mobile immobile; moral immoral amoral; mortal immortal;
mutable immutable; partial impartial; patient impatient; perfect imperfect; permissible
impermissible; possible impossible; probable improbable; proper improper; legal illegal; legible
illegible; legitimate illegitimate; literate illiterate; logical illogical; rational irrational;
regular irregular; relevant irrelevant; removable irremovable; replaceable irreplaceable;
responsible irresponsible; reversible irreversible; allowed disallowed; honest dishonest;
infected disinfected; loyal disloyal; obedient disobedient; organized disorganized; similar
dissimilar; satisfied dissatisfied unsatisfied; alcoholic nonalcoholic; cancerous noncancerous;
fiction nonfiction; negotiable nonnegotiable; profit nonprofit; refundable nonrefundable; smoker
nonsmoker; toxic nontoxic; stop nonstop; violent nonviolent; zero nonzero; typical atypical;
symmetric asymmetric; symmetrical asymmetrical; synchronous asynchronous; symptomatic
asymptomatic; functional dysfunctional nonfunctional; understood misunderstood
"""
POSITIVE_OF: Final = _forms(_POSITIVE_OF)
"""Adjectives made negative by a prefix. Verbs (`undo`, `disable`) are opposites, not negations."""

NUMBER_WORDS: Final = {
    word: value
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
} | {
    word: 10 * (value + 2)
    for value, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
    )
}
ORDINAL_WORDS: Final = {
    word: value + 1
    for value, word in enumerate(
        [
            "first",
            "second",
            "third",
            "fourth",
            "fifth",
            "sixth",
            "seventh",
            "eighth",
            "ninth",
            "tenth",
            "eleventh",
            "twelfth",
            "thirteenth",
            "fourteenth",
            "fifteenth",
            "sixteenth",
            "seventeenth",
            "eighteenth",
            "nineteenth",
            "twentieth",
        ]
    )
} | {"thirtieth": 30, "fortieth": 40, "fiftieth": 50, "hundredth": 100}
MAGNITUDES: Final = {
    "hundred": 100,
    "thousand": 1_000,
    "million": 1_000_000,
    "billion": 1_000_000_000,
    "trillion": 1_000_000_000_000,
    "lakh": 100_000,
    "lakhs": 100_000,
    "crore": 10_000_000,
    "crores": 10_000_000,
    "millions": 1_000_000,
    "billions": 1_000_000_000,
    "k": 1_000,
    "mn": 1_000_000,
    "bn": 1_000_000_000,
}
COUNT_WORDS: Final = {
    "once": 1,
    "twice": 2,
    "thrice": 3,
    "half": 0.5,
    "dozen": 12,
    "couple": 2,
    "single": 1,
    "double": 2,
    "doubled": 2,
    "doubling": 2,
    "tripled": 3,
    "tripling": 3,
    "halve": 0.5,
    "halved": 0.5,
    "halving": 0.5,
    "triple": 3,
    "quadruple": 4,
    "squared": 2,
    "cubed": 3,
}
FAINT: Final = closed("one first second once single half couple double squared cubed")
"""Number words that are often not numbers: alone they never veto, against another they do."""

MONTHS: Final = {
    name: number + 1
    for number, names in enumerate(
        [
            "january jan",
            "february feb",
            "march mar",
            "april apr",
            "may",
            "june jun",
            "july jul",
            "august aug",
            "september sep sept",
            "october oct",
            "november nov",
            "december dec",
        ]
    )
    for name in names.split()
}
FAINT_MONTHS: Final = closed("may march mar jan jun dec sep")
"""Also other words; a month only beside a number or after a preposition of time."""

WEEKDAYS: Final = {
    form: day
    for day, forms in {
        "monday": "monday mondays",
        "tuesday": "tuesday tuesdays tues",
        "wednesday": "wednesday wednesdays",
        "thursday": "thursday thursdays thurs",
        "friday": "friday fridays",
        "saturday": "saturday saturdays",
        "sunday": "sunday sundays",
    }.items()
    for form in forms.split()
}
RELATIVE_DAYS: Final = {
    "yesterday": "yesterday",
    "tomorrow": "tomorrow",
    "today": "today",
    "tonight": "tonight",
    "weekend": "weekend",
    "weekends": "weekend",
    "spring": "spring",
    "summer": "summer",
    "autumn": "autumn",
    "winter": "winter",
    "morning": "morning",
    "afternoon": "afternoon",
    "evening": "evening",
    "night": "night",
    "noon": "noon",
    "midnight": "midnight",
}
"""Parts of the calendar without a number. Of two that differ, one is wrong."""
PERIODS: Final = closed("day week month year quarter season decade century weekend night")
"""After `last`, `this` and `next` these name a time."""

_IRREGULAR: Final = """
be am is are was were been being; have has had having; do does did done doing; go went gone
goes; get got gotten; make made; take took taken; give gave given; come came; see saw seen; know
knew known; think thought; find found; say said; tell told; become became; feel
felt; bring brought; begin began begun; keep kept; hold held; write wrote written; stand stood;
hear heard; mean meant; meet met; run ran; pay paid; sit sat; speak spoke spoken; lie lying;
lead led; grow grew grown; lose lost; fall fell fallen; send sent; build built; understand
understood; draw drew drawn; break broke broken; spend spent; rise rose risen; drive drove
driven; buy bought; wear wore worn; choose chose chosen; eat ate eaten; win won; sell sold;
teach taught; catch caught; throw threw thrown; fight fought; sing sang sung; fly flew flown;
sleep slept; steal stole stolen; hide hid hidden; ride rode ridden; drink drank drunk; swim swam
swum; shoot shot; freeze froze frozen; forget forgot forgotten; lend lent; bite bit bitten; bind
bound; seek sought; feed fed; undo undid undone; child children; man men; woman women; person
people persons; mouse mice; tooth teeth; life lives; wife wives; leaf leaves; analysis analyses;
index indices indexes; matrix matrices
"""
IRREGULAR: Final = _forms(_IRREGULAR)
"""Strong verbs and nouns. Left out where the form is commoner as another word (`felt`, `wound`)."""

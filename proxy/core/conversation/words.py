"""The closed classes by which a turn is told from another, beyond those the guards need.

As in `judgement.words`, the lists are of our own making and written class by class. A word too few
costs a hit: the conversation is then compared exactly.
"""

from typing import Final

from proxy.core.judgement.words import ADVERBS, ARTICLES, closed

FILLERS: Final = closed("""
    ok okay thanks thank you thx ty so much very a lot many really great good nice cool wow oh
    ah ahh hm hmm well interesting that that's thats is it's its was i see got it understood
    sounds fine perfect awesome amazing excellent wonderful lovely alright all right makes sense
    hi hello hey cheers
""")
"""A sentence of these alone says nothing about anything."""

THANKS: Final = closed("thanks thank thx ty")

YES_NO: Final = closed("""
    yes yeah yep yup yea ya no nope nah sure correct right exactly indeed agreed absolutely
    definitely certainly true false maybe perhaps neither
""")
"""A turn that opens with one answers the assistant."""

REPLIES: Final = (
    FILLERS
    | YES_NO
    | closed("""
    the to for please again do does did don't done not now later never mind go ahead on keep going
    continue proceed more next back stop wait start over another one ones this these those them
    they it first second third fourth fifth last former latter both either none all any option
    number item choice step part answer version a b c d e f and or but also just only then too
    instead with of in be will would could that'll that'd works work like need me i i'm let's us
    we same different other else try up out repeat ready skip enough finish
""")
)
"""A turn of these alone means nothing without what came before."""

PICKING: Final = closed("the that this those these another any")
"""Opening a phrase that ends in `one`, they pick: `the cheaper one`."""

INTERROGATIVES: Final = closed("""
    what which who whom whose when where why how what's whats who's whos where's when's how's
    why's
""")
BE: Final = closed("""
    is are was were am be been being isn't aren't wasn't weren't
""")
AUXILIARIES: Final = BE | closed("""
    do does did don't doesn't didn't can can't cannot could couldn't should shouldn't would
    wouldn't will won't has hasn't have haven't had hadn't may might must shall
""")
PREPOSITIONS: Final = closed("""
    about after against among around as at before behind below between beyond by despite during
    except for from in inside into like near of off on onto out outside over per regarding since
    than through to toward towards under until up upon via with within without
""")
CONNECTIVES: Final = closed("and but or so also then now plus")
"""Opening a turn, they carry on the last one."""

OPENERS: Final = CONNECTIVES | closed("""
    ok okay oh ah hm hmm well hey hi hello please thanks great good nice cool perfect awesome
    excellent alright right interesting really wow
""")

LAST_COURTESIES: Final = closed("please thanks thx")

ABOUT_THE_SPEAKER: Final = closed("""
    i i'm i'd i've i'll me my mine we we're we'd we've us our ours
""")

TELL: Final = closed("""
    tell explain describe define discuss clarify talk teach outline explore introduce
""")
"""Requests to be told about a subject."""

SHOW: Final = closed("""
    list name give show provide mention state identify compare contrast cite quote enumerate
    share elaborate expand summarize summarise recap specify say illustrate walk break
""")
"""Requests to be told something within one."""

COMMANDS: Final = closed("""
    add apply arrange ask assume attach book build buy calculate call cancel change check choose
    click close code compose convert copy create delete design disable do download draft edit
    email enable execute fetch fill find fix format generate get help install invite keep let
    look make message move open order pay pick place plan play post pretend print put read
    remind remove rename rent replace reply report request reserve reset return rewrite run save
    schedule search select sell send set sign skip solve speak start stop submit subscribe
    switch take text transfer translate try turn undo update upload use wait write
""")
"""Requests to do something: the answer is an act, or a piece of work on what was said before."""

PRONOUNS: Final = closed("""
    it its it's itself they them their theirs they're he him his he's she her hers she's
""")
"""They stand for a subject named before."""

ANSWER_WORDS: Final = closed("""
    these those one ones other others another else rest remaining former latter above below
    mentioned mention said stated listed described earlier previously previous prior more
    further additional elaborate expand detail details detailed summarize summarise summary
    recap shorten shorter longer simpler simplify simplified rephrase reword rewrite translate
    paraphrase again continue instead second third fourth fifth both either neither each same
    list paragraph sentence answer response reply explanation explained
""")
"""They point at what the assistant said."""

NUMBER_WORDS: Final = closed("""
    two three four five six seven eight nine ten 2 3 4 5 6 7 8 9 10
""")

SHORT_QUESTIONS: Final = closed("""
    why how what when where who so not come for like such as exactly
""")
"""A question of these alone: `why`, `how so`, `such as`, `like what`."""

CAUSE: Final = closed("causes caused cause makes made happens happened")
"""After `what`, they ask about a subject as `why` does."""

PICKS: Final = closed("""
    best worst most least largest biggest smallest highest lowest fastest slowest longest
    shortest oldest newest youngest tallest cheapest strongest richest poorest first last latest
    earliest nearest closest greatest deadliest hottest coldest safest easiest hardest favorite
    favourite top good better nice fun interesting random recommended recommend suggest
    suggestion suggestions recommendation recommendations
""")
"""A question with one asks for something that only the answer names."""

NO_PHRASE: Final = AUXILIARIES | ABOUT_THE_SPEAKER | INTERROGATIVES | closed("please")
"""No phrase without a verb has them."""

LIGHT: Final = (
    ARTICLES
    | ADVERBS
    | PREPOSITIONS
    | AUXILIARIES
    | ABOUT_THE_SPEAKER
    | closed("""
    some any all every much many few several no not and or you your like exactly there here most
    that this which who what when where why how if me us people person someone
""")
)
"""Words that name no subject."""

GENERIC: Final = closed("""
    advantage advantages advice alternative alternatives application applications approach
    approaches argument arguments aspect aspects background basics benefit benefits cause causes
    challenge challenges change changes characteristic characteristics component components con
    concept concepts concern concerns consequence consequences consideration considerations cons
    cost costs criticism criticisms danger dangers definition development developments
    difference differences difficulties difficulty disadvantage disadvantages downside downsides
    drawback drawbacks effect effects element elements event events evidence example examples
    fact facts factor factors feature features figure figures form forms function functions
    future goal goals guideline guidelines history idea ideas impact impacts implication
    implications importance issue issues kind kinds law laws lesson lessons limit limitation
    limitations limits meaning measure measures mechanism mechanisms method methods mistake
    mistakes misconception misconceptions myth myths objective objectives option options origin
    origins outcome outcomes part parts phase phases pitfall pitfalls point points practice
    practices prerequisite prerequisites principle principles pro problem problems process
    processes property properties pros purpose purposes reason reasons regulation regulations
    relevance requirement requirements resource resources result results risk risks role roles
    rule rules side significance sign signs similarities similarity solution solutions sort
    sorts source sources stage stages step steps strategies strategy strength strengths
    structure style styles symptom symptoms technique techniques term terms theme themes theory
    tip tips tool tools topic treatment treatments trend trends type types use uses value
    variation variations varieties variety version versions way ways weakness weaknesses thing
    things address age area artist artists author authors capital cast climate color colour
    creator currency date director duration ending expert experts founder genre height inventor
    language leader leaders length location maker member members name names number owner
    percentage place places player players plot population price prices quantity range rate
    rating ratio size speed status team temperature time times title weather weight year years
    available basic big biggest central certain common contemporary core crucial current
    different early essential famous fundamental general global good great important involved
    key known large largest late legal less long main major many minor modern most natural
    necessary needed new notable old ongoing overall particular popular positive possible
    potential practical primary prominent real real-world recent recommended related relevant
    secondary significant similar small social special specific standard today typical
    underlying useful usual various well-known wide world worst best likely required used
    consider know remember understand avoid expect watch happen happened caused affect affected
    include included compare compared differ work works
""")
"""What any subject may have: a question made of these alone says nothing of which subject."""

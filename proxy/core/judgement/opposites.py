"""Opposites: axes with two poles.

A semicolon ends an axis, `one pole | the other`; a word may sit on several axes, and a verb with
its particle is joined by `_`. Two questions that sit on different poles of one axis want different
answers, unless a negation turns one of them round. Written domain by domain, of our own making.
Words are in their dictionary form: readings are compared by stem.
"""

from typing import Final

from proxy.core.judgement.words import closed

_ACTIONS: Final = """
accept approve allow permit grant authorize authorise enable unblock whitelist welcome agree
consent admit endorse | reject deny decline refuse block forbid ban prohibit disallow disapprove
say_no veto revoke dismiss rebuff withhold blacklist; support endorse back favor favour defend
uphold champion | oppose resist object against attack undermine contest; enable activate turn_on
switch_on power_on reactivate | disable deactivate turn_off switch_off power_off shut_off
suspend; start begin commence launch initiate boot resume open restart continue proceed turn_on
| stop end halt cease finish terminate quit abort shut_down kill pause discontinue cancel
turn_off suspend hold_back; continue keep maintain retain preserve renew extend | discontinue
stop cancel drop abandon end terminate remove delete discard lapse; confirm keep schedule book
attend uphold | cancel call_off skip decline miss unschedule; create add insert append attach
install include mount introduce register append build | delete remove erase drop detach
uninstall exclude unmount destroy eliminate discard omit purge wipe strip; include keep retain
contain highlight mention feature | exclude omit skip leave_out ignore discard suppress hide;
insert push enqueue | extract pop dequeue remove; compress zip pack archive create | decompress
unzip unpack uncompress extract; encrypt encode hash lock encipher | decrypt decode unlock
decipher; serialize serialise format marshal stringify | deserialize deserialise parse
unmarshal; upload push send import publish export put | download pull receive fetch get; import
| export; send transmit dispatch post give lend pay transfer | receive get collect take borrow;
give donate offer | take receive accept; lend loan | borrow; lease rent_out let | rent; buy
purchase acquire | sell offload divest; deposit pay_in | withdraw; credit | debit; earn gain
profit win make save | lose loss spend waste; save | delete discard spend; increase raise grow
expand enlarge boost lengthen extend upgrade maximize maximise rise gain widen augment amplify
strengthen heighten escalate speed_up turn_up scale_up accelerate inflate add appreciate
set_higher | decrease reduce lower shrink lessen cut shorten downgrade minimize minimise fall
drop lose narrow diminish weaken slow_down turn_down scale_down decelerate deflate decline
depreciate; tighten fasten screw | loosen unfasten unscrew; lock bolt | unlock unbolt; open
unlock reopen unseal | close shut lock seal; connect attach join link pair couple plug_in bind
mount | disconnect detach leave unlink unpair decouple unplug separate unbind unmount; follow
subscribe join opt_in enroll enrol register sign_up check_in log_in sign_in | unfollow
unsubscribe leave opt_out unenroll deregister unregister check_out log_out sign_out; friend |
unfriend; like | dislike unlike; mute silence | unmute; hide conceal mask collapse | show reveal
display expose unhide expand disclose; show display | hide; pin | unpin; archive | unarchive
restore; merge combine join unite concatenate | split divide separate; commit apply deploy
roll_out install ship | revert rollback roll_back undo withdraw uninstall recall; do
make | undo; upgrade update | downgrade; load | unload; push | pull; fill charge refill | empty
drain discharge; attack invade | defend; build construct assemble | demolish destroy dismantle
disassemble tear_down; fix repair solve heal cure mend resolve | break damage harm injure
ignore; improve enhance better strengthen | worsen degrade deteriorate weaken impair; succeed
pass win | fail lose; appear arrive come enter | disappear depart leave go exit vanish; arrive
arrival | depart departure; enter entry entrance | exit; ascend climb rise go_up | descend fall
go_down sink; float | sink; love like enjoy | hate dislike loathe; trust believe | distrust
doubt disbelieve; praise compliment | criticize criticise insult condemn blame; hire employ
recruit onboard | fire dismiss lay_off offboard; promote escalate prioritize prioritise | demote
deprioritize deprioritise; escalate | close resolve de-escalate; assign | unassign; appoint |
dismiss; encourage recommend advise | discourage; wake | sleep; inhale | exhale; freeze solidify
lock | melt thaw liquefy unfreeze defrost; heat warm | cool chill; brighten lighten | darken
dim; wet soak moisten | dry; remember memorize recall | forget; find | lose hide; ask | answer;
question | answer; teach | learn; speak talk | listen; write | read erase; sow plant | harvest
reap uproot; marry | divorce; gain put_on | lose; strengthen | weaken; inflate | deflate;
zoom_in | zoom_out; clock_in | clock_out; opt_in | opt_out; scale_up scale_out | scale_down
scale_in; back_up backup | restore; stay remain | leave move quit go; admit | discharge; acquit
clear exonerate | convict; sign | decline reject; comply obey | violate disobey breach defy; sue
prosecute | settle; affirm confirm verify | deny refute contradict disprove; appeal | accept;
complete finish | begin start; fund finance | defund; subsidize subsidise | tax; permit allow
accept | restrict limit; keep preserve retain maintain hold | exclude drop remove liquidate dump;
double triple multiply | halve divide; support defend favor favour | challenge dispute rebut;
prioritize prioritise | ignore postpone defer; feed | starve; hide | reveal; invest |
divest; hedge protect | speculate profit; default | repay; overpay | underpay; overestimate |
underestimate; charge | refund waive reimburse; refund reimburse | charge owe; waive | charge
impose enforce; owe | refund; fast | eat; prescribe | discontinue; ignore disregard neglect
overlook | address handle acknowledge consider investigate; acknowledge | ignore; expose |
protect; isolate quarantine | release; publish | unpublish retract; hurry | wait; pass | fail
"""

_NOUNS: Final = """
approval acceptance permission authorization consent agreement endorsement | rejection denial
refusal prohibition ban veto disapproval disagreement objection; support endorsement promotion
approval | opposition objection criticism resistance; promote support endorse advocate praise |
oppose criticize criticise condemn reject; activation enablement activate run execute |
deactivation disablement cancel stop suspend; creation addition insertion inclusion registration
enrolment enrollment | deletion removal exclusion omission elimination cancellation; increase
growth expansion rise upgrade gain | decrease reduction decline cut downgrade loss; upward
upwards | downward downwards; confirmation attendance booking | cancellation absence; renewal
continuation extension | cancellation termination expiry end; beginning start launch opening |
end termination closure closing shutdown; encryption | decryption; compression | decompression;
serialization serialisation | deserialization deserialisation; installation | removal
uninstallation; connection attachment | disconnection detachment; purchase acquisition | sale
disposal; deposit | withdrawal; admission | discharge; ascent | descent; arrival | departure;
deployment rollout | rollback; hiring recruitment | dismissal firing; promotion | demotion;
accept take sign agree | reject refuse decline; hold keep retain | sell eliminate discard drop;
account_for include consider | exclude ignore omit; place put add | take_out remove eliminate;
update renew replace adjust continue | discontinue stop; present presence | absent absence; cut
shorten trim | extend lengthen; innocence | guilt; strength | weakness; wealth | poverty
"""

_QUALITIES: Final = """
good great excellent positive right beneficial | bad terrible awful poor negative wrong evil
harmful; best top finest greatest | worst bottom; better superior | worse inferior; high tall |
low short; higher taller raise | lower shorter; highest tallest | lowest shortest; big large
huge great giant | small little tiny; bigger larger greater | smaller lesser littler; biggest
largest greatest | smallest least littlest; more greater | less fewer; most | least fewest;
more_than over above exceed exceeding | less_than under below fewer_than; maximum max maximal
upper ceiling | minimum min minimal lower floor; long lengthy | short brief; longer | shorter;
longest | shortest; fast quick rapid speedy | slow sluggish; faster quicker | slower; fastest
quickest | slowest; old elderly ancient aged | young youthful; old ancient obsolete vintage |
new modern recent; older elder | younger newer; oldest eldest earliest | youngest newest latest;
newest latest newer | oldest earliest older; early | late; earlier sooner | later; earliest
first | latest last; strong powerful | weak feeble; stronger | weaker; strongest | weakest; hot
warm | cold cool; hotter warmer | colder cooler; hottest warmest | coldest coolest; hard
difficult tough challenging | easy simple effortless; harder | easier; hardest toughest |
easiest simplest; hard firm | soft; heavy | light lightweight; heavier | lighter; heaviest |
lightest; dark | light bright; darker | lighter brighter; darkest | lightest brightest; thick
fat | thin slim skinny; thicker fatter | thinner slimmer; wide broad | narrow; wider | narrower;
deep | shallow; deeper | shallower; deepest | shallowest; rich wealthy affluent | poor; richer |
poorer; richest wealthiest | poorest; expensive costly pricey dear | cheap inexpensive
affordable budget low-cost; dearer | cheaper; dearest priciest | cheapest; full | empty; near
close | far distant; nearest closest | farthest furthest; safe secure harmless | dangerous
unsafe hazardous risky harmful insecure vulnerable; safer | riskier; safest | riskiest
deadliest; healthy well | sick ill unhealthy diseased; alive live living | dead deceased; guilty
liable | innocent; true | false; right correct accurate | wrong incorrect inaccurate false;
public | private confidential internal; public | secret; open | closed; free | paid premium;
free | busy occupied; optional voluntary | mandatory required compulsory obligatory; optimistic
bullish | pessimistic bearish; bull | bear; bullish | bearish; smart clever intelligent wise |
stupid dumb foolish; happy glad cheerful | sad unhappy depressed miserable; beautiful pretty
attractive handsome | ugly; clean | dirty; quiet silent calm peaceful | loud noisy active
energetic; calmer | energetic livelier; brave courageous | cowardly; polite courteous respectful
| rude impolite disrespectful; kind generous | cruel mean stingy; honest truthful | dishonest
lying; lazy idle | hardworking diligent industrious; active | passive inactive dormant; rough |
smooth; sharp | blunt dull; sweet | sour bitter; wet moist | dry; fresh | stale rotten; raw |
cooked; hungry | full; drunk | sober; married | single unmarried divorced; pregnant |
nonpregnant; single | multiple; simple plain basic | complex complicated advanced; basic
standard beginner novice introductory elementary | advanced expert premium professional;
beginner novice amateur | expert professional advanced; senior | junior; major | minor; adult
grown-up | child baby puppy kitten infant juvenile; ancient | modern; local | remote global;
local | global; domestic | international foreign; national | international; internal inside
inner indoor interior inward inbound incoming ingress | external outside outer outdoor exterior
outward outbound outgoing egress; indoors | outdoors; import imported | export exported; inbound
| outbound; incoming | outgoing; upstream | downstream; online | offline; wired | wireless;
front-end frontend client client-side | back-end backend server server-side; static | dynamic;
mutable | immutable; synchronous sync blocking | asynchronous async nonblocking; sync | async;
compiled | interpreted; ascending increasing | descending decreasing; horizontal | vertical;
horizontally | vertically; row | column; rows | columns; left | right; clockwise |
counterclockwise anticlockwise; north northern | south southern; east eastern | west western;
top upper | bottom lower; front | back rear; inclusive including | exclusive excluding; signed |
unsigned; encrypted | unencrypted plaintext; wholesale | retail; gross | net; fixed | variable
floating adjustable; long-term | short-term; temporary provisional | permanent; part-time |
full-time; manual | automatic automated; manually | automatically; explicit | implicit; abstract
| concrete; positive | negative; profitable | unprofitable; surplus | deficit; solvent |
insolvent bankrupt; asset | liability; income revenue earning | expense expenditure cost
outgoing; taxable | deductible exempt nontaxable tax-free; debtor borrower | creditor lender;
bid | ask; call | put; long | short; market | limit; inflation | deflation; boom | bust
recession; benign noncancerous | malignant cancerous; acute | chronic; urgent immediate
emergency | routine elective; urgent | nonurgent; positive | negative; hyperglycemia |
hypoglycemia; hypertension | hypotension; hyperthyroidism | hypothyroidism; hyperthermia |
hypothermia; inpatient | outpatient; healed | infected wounded; mild | severe serious;
contagious infectious | noncontagious; systolic | diastolic; artery | vein; fertile | infertile
sterile; overweight obese | underweight; plaintiff prosecutor claimant | defendant accused;
landlord lessor owner | tenant lessee renter; employer | employee; employee | contractor
freelancer; buyer customer purchaser | seller vendor; sender | recipient receiver; teacher
instructor | student pupil; doctor | patient; parent | child; ancestor | descendant; winner
victor | loser; hero | villain; guest | host; ally friend | enemy foe; leader | follower; male
man boy gentleman masculine | female woman girl lady feminine; men boys | women girls; father
dad | mother mum mom; son | daughter; brother | sister; husband | wife; uncle | aunt; nephew |
niece; king | queen; grandfather grandpa | grandmother grandma; groom | bride; hotel | hostel;
legal lawful | illegal unlawful; licensed | unlicensed; civil | criminal; felony | misdemeanor;
breakfast | dinner; day | night; sunrise dawn | sunset dusk; summer | winter; war | peace; past
| future; past | present; beginning start | end ending; birth born | death die; head | tail; odd
| even; prime | composite; numerator | denominator; addition add plus | subtraction subtract
minus; multiplication multiply | division divide; integral | derivative; union | intersection;
interior | exterior; input | output; request | response; get | post; cause | effect; advantage
benefit pro merit strength upside | disadvantage drawback con risk downside weakness harm
danger; pros | cons; strengths | weaknesses; success | failure; victory win | defeat loss;
profit gain | loss; supply | demand; majority | minority; theory | practice; hardware |
software; singular | plural; vowel | consonant; noun | verb; synonym | antonym; uppercase
capital | lowercase; carnivore | herbivore; vegetarian vegan | meat; organic | conventional;
still | sparkling; heaven | hell; before | after; prior preceding | following subsequent; ago |
hence; above | below; up | down; inside | outside; upstairs | downstairs; ever always | never;
often frequently | rarely seldom; everything | nothing; everyone everybody | nobody; somewhere |
nowhere; together jointly | separately apart; overvalued | undervalued; overrated | underrated
"""


def _axes() -> tuple[tuple[frozenset[str], frozenset[str]], ...]:
    axes = []
    for line in f"{_ACTIONS};{_NOUNS};{_QUALITIES}".split(";"):
        one, other = line.split("|")
        axes.append((frozenset(one.split()), frozenset(other.split())))
    return tuple(axes)


AXES: Final = _axes()
GRADED: Final = frozenset(_QUALITIES.replace("|", " ").replace(";", " ").split())
"""Words that may have a comparative and a superlative."""

PARTICLES: Final = closed("on off in out up down back over away no")
PARTICLE_VERBS: Final = closed(
    "turn switch power log sign check clock opt go speed slow scale plug roll shut call leave put "
    "pay rent back hold tear lay zoom set say"
)
"""A verb of these and a particle within a few words make one word: `turn notifications off`."""

FEW: Final = 4
"""How far a particle may stand from its verb."""

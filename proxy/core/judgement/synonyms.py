"""Words that may stand for one another, and names with more than one form.

Only used to lift a veto: two words of one group are never counted as a difference. Of our own
making, written domain by domain. A word may sit in several groups, which
a semicolon ends; the relation is not transitive.
"""

from typing import Final

_SYNONYMS: Final = """
big large huge great giant sizeable; small little tiny compact; fast quick rapid speedy swift;
slow sluggish; smart clever intelligent bright; buy purchase acquire order; get obtain acquire
receive fetch retrieve; make create build produce generate write develop construct; begin start
commence launch initiate kick-off; end finish complete terminate conclude stop; stop halt cease
quit discontinue end; fix repair resolve solve mend correct remedy address troubleshoot; issue
problem error bug fault trouble failure; error exception failure; change modify alter edit
update adjust amend revise; delete remove erase drop eliminate clear; add insert append include
attach put; show display list present view; see view look watch; find locate discover identify
detect search; search lookup find query look; pick choose select opt; need require must
necessary; required needed necessary mandatory; want wish desire like; allow permit let enable
authorize may; allowed permitted legal authorised authorized possible; forbid prohibit ban
disallow; deny reject refuse decline dismiss; approve accept endorse confirm authorize agree;
cancel terminate end abort drop annul; keep maintain retain preserve continue; increase raise
boost grow improve enlarge; decrease reduce lower cut lessen diminish shrink drop; begin start
open; close shut end; improve enhance better boost increase upgrade; compare contrast comparison
difference versus; difference distinction distinguish differ; explain describe clarify outline
elaborate define; summarize summarise summary recap brief condense overview; teach instruct
educate learn; learn study master; job work employment position career occupation; company firm
business corporation organisation organization enterprise; employee worker staff; boss manager
supervisor; pay salary wage compensation; money cash funds; cost price fee charge expense rate;
cheap inexpensive affordable low-cost budget; expensive costly pricey; free complimentary
gratis; earn make gain; invoice bill receipt; refund reimbursement reimburse money-back; loan
credit mortgage; home house; flat apartment; car automobile vehicle auto; truck lorry; bike
bicycle cycle; motorbike motorcycle; train rail railway; plane airplane aeroplane aircraft
flight; fly flight; travel trip journey tour; holiday vacation; luggage baggage bag bags; petrol
gasoline gas fuel; phone smartphone mobile cellphone telephone handset; tv television; film
movie picture; photo picture image photograph; song track tune; band group; author writer wrote
write; book novel; doctor physician; illness disease sickness disorder condition; ill sick
unwell; medicine medication drug; symptom sign; cure treat treatment heal remedy therapy manage;
baby infant newborn; child kid children; kids children; woman lady female women; man guy male
men; girl woman; boy man; spouse partner; parents family; dog puppy canine; cat kitten feline;
shop store outlet; mall shopping; eat consume food; food meal diet dish; meal dinner food dish;
dinner supper; drink beverage; weather forecast temperature climate; rain rainfall; city town;
country nation state; place location spot where; near nearby close closest nearest local around;
far distant distance; long length duration; tall height high; wide width; deep depth; heavy
weight weigh weighs; old age aged; big size large; size dimension dimensions; hot temperature
warm; speed fast velocity; top best highest leading greatest maximum; best top greatest finest
good ideal; good great nice best fine; bad poor terrible awful; worst bad; important significant
crucial key essential vital; main primary major principal chief key; famous well-known popular
renowned noted; happy glad pleased; sad unhappy; angry mad; rich wealthy; easy simple
straightforward; hard difficult tough; safe secure harmless; dangerous risky unsafe hazardous
harmful; true correct right; wrong incorrect; begin beginning start; real genuine actual; fake
counterfeit false; effect impact influence consequence result; cause reason lead; result
outcome; benefit advantage pro upside; disadvantage drawback downside con; use utilize utilise
employ usage apply; try attempt; help assist aid support; send mail email transmit dispatch;
email mail e-mail; message text msg; call phone ring; meet meeting appointment; meeting
appointment call conversation; schedule book arrange plan; reschedule move postpone; book
reserve reservation booking; visit go travel; go travel get; drive car; live reside life;
lifespan life live expectancy; die death died; death die mortality; born birth birthday;
birthplace born; kill murder; found founder founded establish start create; founder founded
founding; invent invention inventor create; discover discovery; win victory won winner; winner
won win champion; beat defeat; play playing; game match; team club side; player athlete; leader
head chief president ruler; population people inhabitants; people person persons folks
individuals humans; language tongue; speak spoken talk; talk speak discuss chat; say tell; word
term; mean meaning definition define; meaning definition sense; name called title; called named;
kind type sort; types kinds sorts; part component piece portion; list array; dict dictionary
hashmap map; function method procedure routine; string text; delete rm; directory folder dir;
file document; document doc paper; docs documentation manual; config configuration settings
setting; setup configure install set-up; configure setup set; deploy release publish ship; run
execute launch start; execute run perform; compile build; check verify test see confirm
determine validate examine; test check exam; debug troubleshoot fix; print output display;
iterate loop traverse walk; sort order rank; reverse invert; join merge combine concatenate;
split divide separate chunk; count number total; sum total add; average mean; calculate compute
work-out find; convert change turn transform translate; copy duplicate clone; save store keep;
open launch; login log-in sign-in signin log; logout log-out sign-out; signup sign-up register
registration; register signup enroll enrol; account profile; password passcode passphrase;
username login; customer client user patron; customers clients; website site webpage page;
internet web online; app application program; program software app; computer pc; laptop
notebook; screen display monitor; server host; database db; query request; variable var;
argument parameter param; repo repository; admin administrator; environment env; authentication
auth login; authorization auth authorisation; hide conceal; protect secure guard; safety safe
security; attack assault; war conflict; law legislation rule; rule regulation; lawyer attorney;
agreement contract deal; breach violation; sign execute; tax taxes taxation; taxed tax taxation;
insurance coverage cover; covered cover coverage; invest investment; stock share shares stocks;
transfer send move; delivery shipping shipment ship; deliver ship; arrive come delivery; track
trace follow; package parcel; broken damaged faulty defective; replace replacement swap
substitute; warranty guarantee; discount reduction coupon; subscription membership plan;
complaint grievance; reply respond response answer; ask request question inquire; inform notify
tell advise alert; recommend suggest advise propose; advise recommend counsel suggest; proposal
plan suggestion; plan proposal scheme strategy; policy rule; support back endorse; oppose
against; argue claim; report record document; record log register; draft write compose; review
check; current present existing latest; latest newest recent current; recent latest new; next
upcoming following; modern contemporary; yearly annual annually; quickly fast rapidly; often
frequently frequency; frequent recurring regular; recurring regular repeating; usually normally;
typical normal average usual; normal typical usual ordinary regular; unusual odd strange;
strange weird odd; amount quantity number; percentage percent; limit cap maximum; minimum least;
maximum most max highest; min minimum; enough sufficient; whole entire all; clean wash tidy;
prepare cook make ready; bake cook; recipe cook make; exercise workout training; gym fitness;
lose drop shed reduce; weight fat; pain ache hurt; hurt pain injure; headache migraine; fever
temperature; sleep rest; tired exhausted fatigue; dosage dose; surgery operation; hospital
clinic; emergency er; pregnant pregnancy expecting; school college; university college uni;
student pupil; teacher instructor; exam test examination; exams tests; class course lesson;
degree qualification; mark grade score label; homework assignment; essay paper; research study;
maths math mathematics; number digit figure; letter character; sign symbol; colour color; centre
center; favourite favorite preferred; beautiful pretty lovely attractive; funny humorous; gift
present; party celebration; wedding marriage; marry marriage wed; married marriage spouse;
divorce separation; love adore; hate dislike; friend buddy pal; enemy foe; neighbour neighbor;
god deity; king monarch; army military; police cop cops; crime offence offense; jail prison;
steal theft rob; gun weapon firearm; planet world; world earth globe; universe cosmos; sun
solar; moon lunar; sea ocean; mountain peak; river stream; forest woods; grow cultivate plant;
flower bloom; bug insect; snake serpent; fire flame; ice frozen; electricity power; power energy
strength; light lamp; sound noise audio; video clip; music song; lyrics words; singer vocalist
artist; artist singer painter; actor cast star actress; director directed; painting artwork;
show series program; season series; news headlines; post publish article; newspaper paper; brand
make; version release edition; release version launch; feature characteristic property; property
attribute feature; tip advice trick hint; advice tip guidance recommendation; concept idea
notion principle; fact truth; opinion view thought; think believe consider; know understand;
understand comprehend grasp; remember recall; happen occur; become turn; appear seem look;
remain stay left; quit leave resign; exit quit leave close; enter join; reach arrive get; reset
restore recover; recover restore retrieve; undo revert reverse; revert undo rollback roll;
update upgrade refresh renew; refresh reload update; renew extend; extend lengthen prolong;
enable activate turn-on allow permit; disable deactivate turn-off; block ban prevent stop;
prevent avoid block stop; lock secure; freeze lock block suspend; permission access privilege
right; vulnerability weakness flaw; hack breach; scan check; monitor watch track; alert
notification alarm; urgent immediate emergency; priority importance; escalate raise; assign
allocate; task job; deadline due; delay postpone late; wait delay; late delayed; brief short
concise; simple basic easy plain; detailed thorough; full complete whole; empty blank null; null
missing empty; missing absent null lost incomplete; duplicate repeated redundant; distinct
unique different; different distinct various; various different several; similar like alike
comparable; same identical equal; equivalent equal same; correct right fix; method way technique
approach; goal aim objective target; purpose goal use; role job position;
return give yield provide supply deliver; retrieve fetch get select; identify recognize recognise
spot; note message memo; standard typical usual customary; feature functionality capability; true
real genuine; gain get obtain acquire win; height elevation altitude; understanding comprehension;
moral ethics ethical; disagreement dispute argument quarrel; showing playing screening running on;
chunk segment part piece; dependency library package; iterate cycle loop walk; outdated legacy
obsolete deprecated; eligible eligibility qualify qualified qualification; prune clean trim remove;
olympics games; wealthy rich affluent; begin beginning onset; sum amount; obligation duty; faq
questions; adjust set change; warning alert; lawsuit suit case; invoice bill; salary wage pay
income earnings; staff employees personnel workers; firm company business; vehicle car automobile;
kid child; tax levy; subject topic theme; folder directory; bug defect; crash fail; outage
downtime; signup enrolment registration; timetable schedule; fare price ticket; medicine drug;
apartment flat; elevator lift; film movie; soccer football; vacation holiday; trousers pants;
couch sofa; trash rubbish garbage waste; play portray; change different differ; become get turn
grow; grey gray; tyre tire; kerb curb; plough plow; cheque check; programme program; aluminium
aluminum; draught draft; pyjamas pajamas; sceptic skeptic; sceptical skeptical; mould mold;
mouldy moldy; moustache mustache; storey story; jewellery jewelry; catalogue catalog; dialogue
dialog; analogue analog; maths math mathematics; omelette omelet; doughnut donut; cosy cozy;
manoeuvre maneuver; oestrogen estrogen; oesophagus esophagus; foetus fetus; aesthetic esthetic;
paediatric pediatric; paediatrician pediatrician; encyclopaedia encyclopedia; artefact artifact;
axe ax; speciality specialty; mum mom; zed zee; licence license; practise practice
"""

_ALIASES: Final = """
uk = united kingdom; uk = great britain; uk = britain; us = united states; us = united states of
america; usa = united states; usa = us; usa = united states of america; america = united states;
america = usa; uae = united arab emirates; eu = european union; un = united nations; ussr =
soviet union; nyc = new york city; nyc = new york; ny = new york; la = los angeles; sf = san
francisco; dc = washington; js = javascript; ts = typescript; py = python; c++ = cpp; c# =
csharp; c# = c sharp; go = golang; k8s = kubernetes; postgres = postgresql; mongo = mongodb; tf
= tensorflow; ml = machine learning; ai = artificial intelligence; dl = deep learning; nlp =
natural language processing; vs = versus; db = database; os = operating system; vm = virtual
machine; api = application programming interface; ui = user interface; url = link; pdf =
portable document format; gpu = graphics card; ssd = solid state drive; ram = memory; tv =
television; pc = personal computer; ceo = chief executive; cfo = chief financial officer; cto =
chief technology officer; hr = human resources; pto = paid time off; apr = annual percentage
rate; apy = interest rate; roi = return on investment; vat = value added tax; gdp = gross
domestic product; wwi = world war one; wwii = world war two; ww1 = world war one; ww2 = world
war two; er = emergency room; gp = general practitioner; bp = blood pressure; atm = cash
machine; id = identification; dob = date of birth; eta = arrival time; faq = frequently asked
questions; rfp = request for proposal; nda = non disclosure agreement; ip = intellectual
property; gcse = general certificate of secondary education; mt = mount; st = saint; dr =
doctor; prof = professor
"""


def _neighbours() -> dict[str, frozenset[str]]:
    near: dict[str, set[str]] = {}
    for line in _SYNONYMS.split(";"):
        words = set(line.split())
        for word in words:
            near.setdefault(word, set()).update(words)
    return {word: frozenset(words) for word, words in near.items()}


def _aliases() -> dict[str, tuple[tuple[str, ...], ...]]:
    forms: dict[str, list[tuple[str, ...]]] = {}
    for line in _ALIASES.split(";"):
        short, long = " ".join(line.split()).split(" = ")
        forms.setdefault(short, []).append(tuple(long.split()))
    return {short: tuple(longs) for short, longs in forms.items()}


SYNONYMS: Final = _neighbours()
ALIASES: Final = _aliases()
"""Short form to the word sequences it stands for. `us` the pronoun: a missed veto at worst."""

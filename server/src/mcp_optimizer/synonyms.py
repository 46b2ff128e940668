"""Words that mean the same when people speak of tools: a general list, and what a catalogue's administrator adds to it.

A group is symmetric: each member of it also finds the others, at `FACTOR` of their worth, so that the word itself always wins. Members may be
phrases. The list holds everyday words of offices and software, no product names: those belong into `spec.search.synonyms`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from .text import terms

FACTOR: Final = 0.5
MAX_PHRASE: Final = 3
"""Terms of a phrase that is looked for in a query."""

Phrase = tuple[str, ...]

GENERAL: Final = """
create, add, new, make, register, insert
delete, remove, drop, erase, trash, discard, throw away, get rid
update, change, edit, modify, correct, adjust, alter, set
list, show, enumerate, display, overview
get, fetch, read, retrieve, view, look, show
search, find, look, lookup, locate
send, deliver, post, tell, notify, announce, inform
publish, post, release
start, begin, launch, trigger, run, execute
stop, cancel, end, abort, halt, terminate, quit
retry, rerun, again, repeat, once more
undo, revert, rollback, roll back, go back, restore, previous
approve, accept, confirm, sign off, allow, authorize, permit, go ahead
reject, decline, deny, refuse, cannot
assign, hand over, delegate, assignee, responsible, owner
close, finish, complete, done, solve, resolve
finish, done, transition, status, complete
copy, duplicate, clone
move, transfer, relocate, put
merge, combine, unify, deduplicate
invite, attendee, guest, participant
note, log, record, write down, track
comment, remark, note, annotate
bug, defect, issue, problem, task, story
ticket, case, request, issue
error, failure, fail, fault, exception, broken, break, crash
log, output, print, console
metric, measurement, figure, statistic, measure
alert, alarm, warning, page
silence, mute, suppress, quiet, snooze
incident, outage, disruption, emergency
slow, latency, long, duration, performance, time
explain, why, reason, plan
table, relation
column, field, attribute
sql, database, warehouse, query, select
pod, container, workload, instance, process
scale, replica, instance, capacity
deployment, workload, rollout, service
node, machine, host, server
consumption, usage, utilization, load, cpu, memory
exec, shell, command, terminal
restart, reboot, bounce, recycle
secret, credential, token
file, document, spreadsheet, presentation, slide, report, pdf
folder, directory
share, access, permission, grant, let
upload, store, save
download, export, save
history, revision, version, earlier
refund, reimburse, money back, repay
charge, transaction, payment, card, billing
dispute, chargeback, contest
subscription, plan, recurring, billing, monthly, membership
invoice, bill, billing
balance, money, funds
coupon, discount, promotion, voucher
payout, disbursement
customer, client, buyer, shopper, consumer
account, company, organisation, organization, firm, client
contact, person, people, lead
opportunity, deal, prospect, lead
call, phone, telephone
email, mail, inbox, letter, mailbox
message, note, chat
reply, answer, respond, response
thread, conversation, discussion, replies
newsletter, mailing list, unsubscribe
reaction, emoji, thumb, like
presence, online, available, away
channel, team, group, everyone
event, appointment, meeting, agenda
calendar, agenda, schedule, diary
slot, availability, free
attend, accept, participate, invitation
book, reserve, reservation, booking
leave, vacation, holiday, absence, time off, days off, pto
absent, away, out, sick, ill
employee, staff, colleague, coworker, worker
candidate, applicant, apply, application
opening, job, position, vacancy, role
payslip, salary, wage, earn, pay
onboarding, hire, newcomer, joiner
order, purchase
product, item, goods, merchandise
price, cost, cheap, expensive
inventory, stock, shelf, warehouse
ship, shipment, fulfill, fulfil, parcel, tracking, dispatch
return, send back, give back
cart, basket, checkout
review, rating, feedback, opinion
directions, route, drive, way, path, travel
distance, far
address, street, location
coordinates, latitude, longitude, position
place, business, restaurant, shop, nearby, near
page, article, wiki, write
documentation, docs, knowledge, wiki, guide, manual, handbook
author, wrote, who
pipeline, build, workflow, compile
job, build, step
test, check, spec
flaky, unreliable, unstable
environment, staging, production
version, release
repository, repo, codebase, project
code, source, program, implementation
commit, change
pull request, merge request, patch
diff, changes, patch
user, account, login, member
deactivate, disable, block, suspend, lock
group, team, role
mfa, second factor, two factor, 2fa, authenticator
signin, sign in, login, log in, authentication
retention, return, come back, churn
traffic, visit, visitor, referrer, come from
experiment, split test, variant
cohort, segment, audience
realtime, live, moment, now
satisfaction, happy, happiness, csat
escalate, raise, urgent
translate, translation, say
summarize, condense, summary, shorten, digest
transcribe, recording, speech, audio, dictation, minutes
ocr, scan, photo, picture, image
extract, recognize, detect, identify
grammar, spelling, proofread, typo
flight, plane, airport, fly, airline
hotel, accommodation, sleep, stay, lodging, overnight
weather, forecast, rain, temperature, sun, wind, snow
currency, euro, dollar, exchange rate
expense, reimbursement, receipt, claim, cost
status, state, condition, progress
delay, late, punctual
paper, scientific, academic, literature, publication, study
url, link, website, webpage
web, internet, online, google
dashboard, chart, graph, report
trace, span, request, transaction
budget, allowance, limit
"""


@dataclass(frozen=True)
class Thesaurus:
    """Synonyms by what is looked for: a term or a phrase of terms, each with the phrases it also finds."""

    related: Mapping[Phrase, tuple[Phrase, ...]]
    longest: int
    """Terms of the longest phrase that has synonyms."""


def thesaurus(groups: Iterable[Sequence[str]]) -> Thesaurus:
    """Compile groups of words and phrases. A member of which no term is left (only stop words, or too long) is ignored."""
    related: dict[Phrase, dict[Phrase, None]] = {}
    for group in groups:
        members = [member for member in dict.fromkeys(tuple(terms(text)) for text in group) if 0 < len(member) <= MAX_PHRASE]
        for member in members:
            related.setdefault(member, {}).update((other, None) for other in members if other != member)
    return Thesaurus({member: tuple(others) for member, others in related.items()}, max(map(len, related), default=1))


@lru_cache(maxsize=4)
def _compiled(own: tuple[tuple[str, ...], ...]) -> Thesaurus:
    return thesaurus([*(line.split(", ") for line in GENERAL.strip().splitlines()), *own])


def words(own: Iterable[Sequence[str]] = ()) -> Thesaurus:
    """The general synonyms and those of this catalogue."""
    return _compiled(tuple(map(tuple, own)))

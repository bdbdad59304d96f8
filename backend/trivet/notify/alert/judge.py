"""Decide of every open alert on every route, keep the reason, and put what is to be told on its way.

One judge at a time; everything it writes commits together, so that a process killed in between has told nobody and kept
nothing, and the next one decides the same again.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import delete, select, text, tuple_
from sqlalchemy.orm import Session

from trivet import outbox
from trivet.kit.locks import Lock
from trivet.notify import alert_models as rows
from trivet.notify.alert import standing, words
from trivet.notify.alert.standing import Standing
from trivet.notify.channel import deliveries
from trivet.notify.rules.decide import MUTED, Decision, Fact, decide, mutings
from trivet.notify.rules.route import Way, channels_for, group_of, routes_for, told_channels, unrouted


@dataclass(frozen=True, slots=True)
class Member:
    """An alert in a group, and what was decided of it."""

    row: rows.Alert
    fact: Fact
    decision: Decision


@dataclass(slots=True)
class Together:
    """Alerts of one route that are told together."""

    way: Way
    labels: dict[str, str]
    row: rows.NoticeGroup
    members: list[Member] = field(default_factory=list)


def judge(session: Session, base_url: str, now: datetime) -> int:
    """Judge everything once; how many deliveries are on their way because of it."""
    session.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": Lock.ALERT})
    seen = standing.read(session, now)
    found = session.scalars(select(rows.Notice).where(rows.Notice.alert_id.in_([row.id for row in seen.alerts])))
    court = _Court(session, seen, {(row.alert_id, row.route_id): row for row in found}, base_url, now)
    groups = court.groups()
    sent = sum(court.tell(group) for group in groups)
    court.settle()
    if len(seen.alerts) < standing.JUDGED_MAX:  # else some groups were not looked at
        _forget(session, groups)
    if sent:
        outbox.send(session, "notify.send_alerts")
    return sent


@dataclass(frozen=True, slots=True)
class _Court:
    """One judgement: what it rests on, and what it writes."""

    session: Session
    seen: Standing
    notices: dict[tuple[int, int], rows.Notice]
    base_url: str
    now: datetime

    def groups(self) -> list[Together]:
        """Every alert in the groups of the routes that take it, each with its decision."""
        kept = {(row.route_id, row.key): row for row in self.session.scalars(select(rows.NoticeGroup))}
        facts = [standing.fact_of(row) for row in self.seen.alerts]
        muted = mutings(facts, self.seen.quiets, self.seen.windows)
        made: dict[tuple[int, str], Together] = {}
        for row, fact in zip(self.seen.alerts, facts, strict=True):
            chosen = self._chosen(fact)
            row.unrouted = "" if chosen else unrouted(fact.labels, self.seen.ways)
            for way in chosen:
                labels = group_of(way, fact.labels)
                key = (way.id, _digest(labels))
                if key not in made:
                    made[key] = Together(way, labels, kept.get(key) or self._opened(key))
                made[key].members.append(Member(row, fact, self._decide(fact, made[key], muted.get(fact.id))))
        return list(made.values())

    def _chosen(self, fact: Fact) -> list[Way]:
        """Routes that take it; and those that told of it and now would not, so that they tell of its end."""
        chosen = routes_for(fact.labels, self.seen.ways)
        if fact.ended_at is None:
            return chosen
        told = [way for way in self.seen.ways if (kept := self.notices.get((fact.id, way.id))) and kept.told_firing]
        return chosen + [way for way in told if way not in chosen]

    def _opened(self, key: tuple[int, str]) -> rows.NoticeGroup:
        row = rows.NoticeGroup(route_id=key[0], key=key[1], opened_at=self.now, told_at=None, sequence=0)
        self.session.add(row)
        return row

    def _decide(self, fact: Fact, group: Together, muted: Decision | None) -> Decision:
        told = standing.told_of(self.notices.get((fact.id, group.way.id)))
        return decide(fact, group.way, told, standing.group_of(group.row), muted=muted, now=self.now)

    def tell(self, group: Together) -> int:
        """Put the group's message on its way where anything in it is to be told; how many deliveries that made.

        What waits goes along, so that nobody gets two messages within a moment.
        """
        due = any(member.decision.word == "send" for member in group.members)
        told = [member for member in group.members if due and member.decision.word in ("send", "wait")]
        if told:
            group.row.told_at, group.row.sequence = self.now, group.row.sequence + 1
        sent = self._send(group, told) if told else 0
        for member in group.members:
            self._keep(group.way, member, told=member in told)
        return sent

    def _send(self, group: Together, told: list[Member]) -> int:
        going = {member.fact.id for member in told}
        # What else of the group still fires and is kept from nobody stands in the message too.
        shown = [
            m for m in group.members if m.fact.id in going or (not m.fact.ended_at and m.decision.word not in MUTED)
        ]
        said = words.message(group.labels, [(m.row, m.fact) for m in shown], self.base_url, self.now)
        body = said | {"dedup": f"trivet-{group.way.id}-{group.row.key}"}
        number = f"{group.row.opened_at.timestamp():.3f}:{group.row.sequence}"
        sent = 0
        for name, members in self._by_channel(group.way, told).items():
            if self.seen.kinds[name] != "alertmanager":  # one is told what is so each minute, and groups by itself
                key = f"route:{group.way.id}:{group.row.key}:{number}:{name}"
                ids = [member.fact.id for member in members]
                sent += deliveries.add(self.session, key, name, ids, body=body, now=self.now)
        return sent

    def _by_channel(self, way: Way, told: Iterable[Member]) -> dict[str, list[Member]]:
        """Each channel with the alerts it is told of: a step of the escalation has its own."""
        found: dict[str, list[Member]] = defaultdict(list)
        for member in told:
            chosen = member.decision.only or told_channels(way, member.decision.step)
            for name in channels_for(member.fact.labels, chosen, self.seen.there):
                found[name].append(member)
        return found

    def _keep(self, way: Way, member: Member, *, told: bool) -> None:
        """The decision beside the alert; written only where it says something new."""
        fact, decision = member.fact, member.decision
        word = "told" if told else decision.word
        reason = f"told {self.now:%H:%M:%S} UTC: {decision.reason.partition(';')[0]}" if told else decision.reason
        notice = self.notices.get((fact.id, way.id))
        if notice is None:
            notice = rows.Notice(
                alert_id=fact.id, route_id=way.id, decision="", reason="", decided_at=self.now, steps=0
            )
            self.session.add(notice)
            self.notices[fact.id, way.id] = notice
        if (notice.decision, notice.reason) != (word, reason):
            notice.decision, notice.reason, notice.decided_at = word, reason, self.now
        if told:
            notice.first_told_at, notice.told_at = notice.first_told_at or self.now, self.now
            notice.told_severity, notice.told_firing = fact.severity, fact.ended_at is None
            notice.steps = decision.step

    def settle(self) -> None:
        """What is over, and whose end everybody was told who heard of its beginning, is judged no more."""
        owing = {notice.alert_id for notice in self.notices.values() if notice.told_firing}
        for row in self.seen.alerts:
            row.settled = row.ended_at is not None and row.id not in owing
        self.session.flush()


def _forget(session: Session, groups: list[Together]) -> None:
    """A group in which nothing is open any more is told at once when something begins again."""
    alive = [(g.way.id, g.row.key) for g in groups if any(not member.row.settled for member in g.members)]
    gone = delete(rows.NoticeGroup)
    if alive:
        gone = gone.where(tuple_(rows.NoticeGroup.route_id, rows.NoticeGroup.key).not_in(alive))
    session.execute(gone.execution_options(synchronize_session=False))


def _digest(labels: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(labels, sort_keys=True).encode()).hexdigest()[:16]

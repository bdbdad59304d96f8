"""A breach as its page shows it: read in one transaction, then put into its dataclass."""

from pathlib import PurePath
from urllib.parse import quote, urlencode

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.card.presets import catalogue
from trivet.command.models import DesiredState
from trivet.command.service import tenant_id_of
from trivet.console import format as say
from trivet.console import story
from trivet.console.evidence import breach_picture, breach_series
from trivet.console.evidence import breach_words as words
from trivet.console.evidence.evidence_views import (
    AlertRow,
    BreachPage,
    BreakForm,
    CarrierRow,
    CarrierTable,
    CausedRow,
)
from trivet.console.tongue import N_, _
from trivet.console.views import Choice, Reader
from trivet.evidence import breaking, case, measured, record, telling
from trivet.evidence.carriers import Carrier
from trivet.evidence.case import Case
from trivet.evidence.measured import Carried
from trivet.guard.telling import again
from trivet.identity.models import User
from trivet.kit.errors import TrivetError
from trivet.report import names

LIMIT_WORDS = {"900": N_("in 15 min"), "3600": N_("in 1 h"), "14400": N_("in 4 h"), "": N_("when restored")}


def page(
    session: Session, looking: Reader, breach_id: int, *, tenant: str, reason: str | None, expires: str, errors: dict[str, str]
) -> BreachPage:  # fmt: skip
    """The page; `tenant` is whose form is open, that of the first who carries it where none is named."""
    found = case.read(session, breach_id)
    breach = found.breach
    row, carried = record.of(session, found, looking.now), measured.carried(session, found, looking.now)
    currency = found.card.cost.currency if found.card else "USD"
    metric = found.guard.metric if found.guard else ""
    first = _first_tenant(carried)
    worst = breach.value if breach.worst_value is None else breach.worst_value
    drawn = breach_series.asked(session, found, row.began_at, row.recovered_at, looking.now)
    by = carried.by or {}
    return BreachPage(
        reader=looking,
        id=breach.id,
        title=words.shown(f"{story.spoken(breach.guard)} · {found.scenario}"),
        sentence=words.sentence(
            found.scenario, breach.guard, opened=breach.opened_at, closed=breach.closed_at,
            worst=words.value(metric, worst, currency), limit=words.value(metric, breach.threshold, currency),
            first=words.who_first(by.get("tenant"), first), now=looking.now, zone=looking.zone,
        ),
        why=again(breach.reason, _),
        shadow=bool(breach.shadow),
        open=breach.closed_at is None,
        picture=breach_picture.draw(drawn, lambda v: words.value(metric, v, currency), looking.zone) if drawn else None,
        numbers=words.numbers(breach.numbers, metric, currency),
        moments=words.moments(telling.times_of(row)),
        money=words.money(row.saved, row.saved_low, row.saved_high, row.currency or currency, row.saved_words),
        quality=words.quality(row.lost, row.lost_low, row.lost_high, row.lost_words),
        carried=_how(carried, looking),
        tables=tuple(_table(carried, name, breach.id, currency) for name in by),
        commands=_commands(session, found),
        alerts=tuple(
            AlertRow(a.id, a.severity, "drill" in a.labels, a.started_at, a.ended_at, a.acknowledged_by or "") for a in found.alerts
        ),
        runbook=_runbook(metric),
        form=_form(session, looking, found, tenant or (first if _stands_out(carried) else ""), reason=reason, expires=expires, errors=errors),
    )  # fmt: skip


def _first_tenant(carried: Carried) -> str:
    """The tenant that carries most, where that is no chance; "" where nobody does."""
    rows = carried.by["tenant"].carry if carried.by else ()
    first = rows[0] if rows else None
    return carried.label("tenant", first.key) if first and _breakable(first, carried.label("tenant", first.key)) else ""


def _stands_out(carried: Carried) -> bool:
    """Whether the first tenant's form is open from the start: breaking one of many that are alike mends nothing."""
    rows = carried.by["tenant"].carry if carried.by else ()
    return bool(rows) and rows[0].stands_out


def _breakable(each: Carrier, name: str) -> bool:
    return each.claimed and each.key is not None and name != names.NONE["tenant"]


def _how(carried: Carried, looking: Reader) -> str:
    """On what terms the tables stand."""
    if carried.missing or carried.during is None or carried.usual is None or carried.kind is None:
        return carried.missing
    share = (
        f" ({say.share(float(carried.usual.share))})"
        if carried.usual.share is not None and not carried.kind.money
        else ""
    )
    said = {
        "usual": _(carried.usual.words), "share": share,
        "start": say.clock(carried.during.start, looking.zone, seconds=True),
        "end": say.clock(carried.during.end, looking.zone, seconds=True),
    }  # fmt: skip
    note = f" {carried.kind.note[:1].upper()}{carried.kind.note[1:]}." if carried.kind.note else ""
    return _("What lies beyond {usual}{share}, from {start} to {end}.", **said) + note


def _table(carried: Carried, name: str, breach_id: int, currency: str) -> CarrierTable:
    assert carried.by is not None and carried.kind is not None
    found = carried.by[name]
    rows = [_row(carried, name, each, breach_id, currency) for each in found.carry]
    relieving = [words.shown(carried.label(name, each.key)) for each in found.relieve]
    relieve = words.relief(found.relieve, relieving, carried.kind, currency)
    return CarrierTable(_(words.DIMENSIONS[name]), tuple(rows), relieve, found.left_out)


def _row(carried: Carried, dimension: str, each: Carrier, breach_id: int, currency: str) -> CarrierRow:
    assert carried.kind is not None
    kind, name = carried.kind, carried.label(dimension, each.key)
    url = ""
    if dimension == "tenant" and each.key is not None and name != names.NONE["tenant"]:
        url = f"/breaches/{breach_id}?{urlencode({'tenant': name})}#break"
    return CarrierRow(
        name=words.shown(name), n=words.of(say.count(int(each.n)), kind.of), traffic=say.share(each.traffic_share),
        bad=words.of(words.counted(kind, each.bad, currency), kind.unit), excess=words.counted(kind, each.excess, currency),
        share=say.share(each.excess_share), width=round(100 * min(1.0, each.excess_share), 2), claimed=each.claimed, url=url,
    )  # fmt: skip


def _commands(session: Session, found: Case) -> tuple[CausedRow, ...]:
    people = dict(
        session.execute(select(User.email, User.name).where(User.email.in_({c.actor for c in found.caused}))).all()
    )
    return tuple(
        CausedRow(c.id, story.what(c), story.person(c.actor, people), c.status, c.outcome or "", c.created_at) for c in found.caused
    )  # fmt: skip


def _runbook(metric: str) -> str:
    """The name that the runbook's address ends with; "" where there is none."""
    kind = catalogue().get(metric) if metric else None
    return PurePath(kind.runbook).stem if kind else ""


def _form(
    session: Session, looking: Reader, found: Case, tenant: str, *, reason: str | None, expires: str, errors: dict[str, str]
) -> BreakForm | None:  # fmt: skip
    if not tenant:
        return None
    name = words.shown(tenant)
    limits = tuple(Choice(value, _(said), "", value == expires) for value, said in LIMIT_WORDS.items())
    if not looking.may_command:
        role = _(looking.role.replace("_", " "))
        refused = _("Commands are for sre, product owner and admin; you are {role}.", role=role)
        return BreakForm(tenant, name, "", "", (), errors, refused)
    try:
        already = _broken(session, found, tenant)
        if already:
            return BreakForm(tenant, name, "", "", (), errors, words.shown(already))
        lasts_s = float(expires) if expires else None
        preview = breaking.look_ahead(session, found, tenant, expires_in_s=lasts_s, now=looking.now, _=_)
    except TrivetError as refused_:
        return BreakForm(tenant, name, "", "", (), errors, words.shown(refused_.detail))
    preview = words.shown(preview)
    return BreakForm(tenant, name, preview, breaking.prefilled(found) if reason is None else reason, limits, errors, "")


def _broken(session: Session, found: Case, tenant: str) -> str:
    """Why there is nothing left to break; "" where there is."""
    row = session.get(DesiredState, (found.breach.scenario_id, tenant_id_of(session, tenant), 0))
    if row is None or not row.broken:
        return ""
    said = {"tenant": tenant, "cause": row.cause}
    if row.until:
        return _("{tenant} is turned away already until {at} UTC: {cause}", at=f"{row.until:%H:%M}", **said)
    return _("{tenant} is turned away already, until somebody restores it: {cause}", **said)


def address(breach_id: int, tenant: str = "") -> str:
    """Where a breach is shown."""
    return f"/breaches/{breach_id}" + (f"?tenant={quote(tenant)}" if tenant else "")

"""What the pages of proofs say: a verdict in a sentence, and each measure in words. Pure."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from trivet.console import format as say
from trivet.console.evidence.proofs_views import EffectRow
from trivet.console.tongue import N_, _
from trivet.evidence import proof_terms
from trivet.evidence.chance import Band
from trivet.evidence.proof import Effect, Number
from trivet.evidence.proof_read import Proof

NAMES: Final[Mapping[str, str]] = {
    "quality": N_("quality"), "error_rate": N_("error rate"), "p50_latency_ms": N_("P50 latency"),
    "p95_latency_ms": N_("P95 latency"), "p95_ttft_ms": N_("P95 to first token"),
    "cost_per_request": N_("cost per request"),
}  # fmt: skip
IN_SENTENCE: Final = ("cost_per_request", "p95_latency_ms", "quality")
IF_TOLD: Final = ("error_rate",)  # said only where it moved
CLAUSES: Final[Mapping[str, str]] = {
    "fell": N_("{name} fell by {size} ({low} to {high})"),
    "rose": N_("{name} rose by {size} ({low} to {high})"),
    "same": N_("{name} is not told apart from before ({low} to {high})"),
}
VERDICTS: Final[Mapping[str, tuple[str, str]]] = {
    "fell": (N_("fell"), "effective"), "rose": (N_("rose"), "effective"),
    "same": (N_("not told apart"), "observed"), "not_enough": (N_("not enough"), "missing"),
}  # fmt: skip
REASONS: Final[Mapping[str, str]] = {
    proof_terms.PARTLY: N_("it moved a share of conversations only, which ran beside the others"),
    proof_terms.NOT_HELD: N_("no backend was seen to hold it yet"),
    proof_terms.NOTHING_BEFORE: N_("nothing stood before it that it could be held against"),
    proof_terms.BEFORE_SHORT: N_("what stood before it stood for less than 50 s"),
    proof_terms.TOO_SHORT: N_("what it put in place stood for less than 50 s"),
}


def sentence(what: str, scope: str, found: Proof) -> str:
    """`Degrade to level 2 for chat: cost per request fell by 31 % (27 % to 35 %); …`. Why, where nothing can be told."""
    subject = {"what": what[:1].upper() + what[1:], "scope": scope}
    if found.terms.missing:
        return _("{what} for {scope} is not proven: {reason}.", reason=missing(found), **subject)
    by_name = {each.measure: each for each in found.effects}
    told = [by_name[name] for name in IN_SENTENCE if by_name[name].verdict != "not_enough"]
    told += [by_name[name] for name in IF_TOLD if by_name[name].verdict in ("fell", "rose")]
    if not told:
        return _("{what} for {scope}: too little was measured on one side or both to tell.", **subject)
    clauses = _("; ").join(_clause(each, found.currency) for each in told)
    return _("{what} for {scope}: {clauses}.", clauses=clauses, **subject)


def missing(found: Proof) -> str:
    """Why nothing can be told, in the reader's language where it is one of our reasons."""
    reason = found.terms.missing
    return _(REASONS[reason]) if reason in REASONS else reason


def _clause(each: Effect, currency: str) -> str:
    size, low, high = _bounds(each, currency)
    return _(CLAUSES[each.verdict], name=_(NAMES[each.measure]), size=size, low=low, high=high)


def _bounds(each: Effect, currency: str) -> tuple[str, str, str]:
    """Size and ends as the sentence says them: of what fell or rose without a sign, of what did neither with one."""
    band = each.change or Band(_float(each.difference), _float(each.low), _float(each.high))

    def said(value: float, *, signed: bool) -> str:
        return _percent(value, signed=signed) if each.change else number(each.measure, value, currency, signed=signed)

    if each.verdict == "same":
        return said(abs(band.value), signed=False), said(band.low, signed=True), said(band.high, signed=True)
    ends = sorted((abs(band.low), abs(band.high)))
    return said(abs(band.value), signed=False), said(ends[0], signed=False), said(ends[1], signed=False)


def _float(value: Number | None) -> float:
    return 0.0 if value is None else float(value)


def _percent(value: float, *, signed: bool) -> str:
    return ("+" if signed and value > 0 else "") + say.share(value)


def number(measure: str, value: float | Decimal | None, currency: str, *, signed: bool) -> str:
    """A value, or with a sign a difference, in its unit."""
    if value is None:
        return say.DASH
    sign = ("+" if value > 0 else say.MINUS if value < 0 else "") if signed else ""
    size: Number = abs(value) if signed else value  # type: ignore[assignment]  # both kinds of number have an absolute value
    if measure == "cost_per_request":
        return sign + say.watched(size if isinstance(size, Decimal) else Decimal(repr(size)), currency)
    if measure == "quality":
        return f"{sign}{size:.3f}".replace("-", say.MINUS)
    return sign + (say.share(float(size)) if measure == "error_rate" else say.duration(float(size)))


def row(each: Effect, currency: str) -> EffectRow:
    """One measure of the table."""
    verdict, mark = VERDICTS[each.verdict]
    enough = each.verdict != "not_enough"
    low, high = (number(each.measure, end, currency, signed=True) for end in (each.low, each.high))
    change = f" ({_percent(each.change.value, signed=True)})" if each.change else ""
    return EffectRow(
        measure=each.measure,
        name=_(NAMES[each.measure]),
        leg=each.leg,
        before=number(each.measure, each.before, currency, signed=False),
        after=number(each.measure, each.after, currency, signed=False),
        difference=number(each.measure, each.difference, currency, signed=True) + change,
        interval=_("{low} to {high}", low=low, high=high) if enough else "",
        exact="" if each.difference is None else str(each.difference),
        verdict=each.verdict,
        said=_(verdict),
        mark=mark,
        rests=_rests(each, enough),
    )


def _rests(each: Effect, enough: bool) -> str:
    if not enough:
        return _(
            "{before} before and {after} after; {least} in 5 buckets are needed on either side",
            before=say.count(each.n_before), after=say.count(each.n_after), least=each.least,
        )  # fmt: skip
    counted = _("{before} before, {after} after", before=say.count(each.n_before), after=say.count(each.n_after))
    if each.covered > 0.995:
        return counted
    return _(
        "{counted}; tenants of both sides, {share} of what ran after", counted=counted, share=say.share(each.covered)
    )


def of_list(count: int, told: int, still: int) -> str:
    """The sentence of the list."""
    if not count:
        return _("No command of this time could be proven: none was given.")
    if still:
        return _("{told} of the {count} newest commands can be told from what ran; {n} still gather.", told=told, count=count, n=still)  # fmt: skip
    return _("{told} of the {count} newest commands can be told from what ran.", told=told, count=count)


def terms(found: Proof) -> str:
    """On what terms the two sides stand."""
    fixed = _(
        "Each tenant counts before as much as it does after; models may differ, as that is part of what a level does."
    )
    began = _(" The time before begins with the breach that it answers.") if found.terms.since_breach else ""
    still = _(" The time after still grows.") if found.terms.running else ""
    return fixed + began + still


def lines(found: Proof) -> Sequence[tuple[object, ...]]:
    """Rows of the file: one a measure, exact."""
    t = found.terms
    return [
        (
            found.command_id, t.level_before, t.level_after, t.revision_before, t.revision_after, each.measure,
            _exact(each.before), _exact(each.after), _exact(each.difference), _exact(each.low), _exact(each.high),
            each.change.value if each.change else None, each.verdict, each.n_before, each.n_after,
            found.currency if each.leg == "cost" else "", t.missing,
        )
        for each in found.effects
    ]  # fmt: skip


def _exact(value: float | Decimal | None) -> str | None:
    return None if value is None else f"{value:f}" if isinstance(value, Decimal) else repr(value)

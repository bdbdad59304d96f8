"""What a scenario did in a time, and how two such times differ on the same terms (口径). Pure.

Kept are sums and histograms, never rates: whatever is asked of a baseline later comes out of what was counted then.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any, Literal

from trivet.kit import histogram
from trivet.kit.marked import N_
from trivet.kit.money import EXACT, plain
from trivet.rollup.read import Usage

TERMS = "1"


TERMS_WORDS = N_(
    "Requests that ended in the time, under whatever revision and level. Rates are shares of what was served, which what a "
    "limit turned away is not; errors count timeouts. Percentiles come from histograms, within 1 %. Cost is that of priced "
    "requests in one currency, tokens are of all kinds, quality is the mean of all scores."
)
COUNTS = ("requests", "errors", "timeouts", "refusals", "rejections", "scores", "tokens")
TIMES = ("latency", "ttft", "inter_token")
NO_MODEL = "unknown"


@dataclass(frozen=True, slots=True)
class Spent:
    """Of one currency: the cost, and the priced requests and their tokens."""

    cost: Decimal
    priced: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Measured:
    """Sums of a scenario over a time. `models`, `revisions` and `levels` are requests of each."""

    requests: int = 0
    errors: int = 0
    timeouts: int = 0
    refusals: int = 0
    rejections: int = 0
    scores: int = 0
    tokens: int = 0
    score_total: float = 0.0
    latency: bytes = b""
    ttft: bytes = b""
    inter_token: bytes = b""
    spent: Mapping[str, Spent] = field(default_factory=dict)
    models: Mapping[str, int] = field(default_factory=dict)
    revisions: Mapping[str, int] = field(default_factory=dict)
    levels: Mapping[str, int] = field(default_factory=dict)

    @property
    def served(self) -> int:
        """Requests that were let in."""
        return self.requests - self.rejections


Key = tuple[str, int, int, str]  # model, revision, level, currency


def measured(parts: Iterable[tuple[Key, Usage]]) -> Measured:
    """Usage by model, revision, level and currency, put together."""
    whole, spent = Usage(), dict[str, Spent]()
    by: dict[str, Any] = {"models": {}, "revisions": {}, "levels": {}}
    for (model, revision, level, currency), usage in parts:
        whole += usage
        for kind, name in (("models", model or NO_MODEL), ("revisions", str(revision)), ("levels", str(level))):
            by[kind][name] = by[kind].get(name, 0) + usage.requests
        if currency:
            before = spent.get(currency, Spent(Decimal(0), 0, 0))
            spent[currency] = Spent(
                EXACT.add(before.cost, usage.cost), before.priced + usage.priced, before.tokens + usage.tokens
            )
    sums: dict[str, Any] = {name: getattr(whole, name) for name in (*COUNTS, "score_total")}
    sums |= {name: histogram.compact(getattr(whole, name)) for name in TIMES}
    return Measured(**sums, **by, spent=spent)


def kept(found: Measured) -> dict[str, Any]:
    """As JSON values: money as text, histograms as base64."""
    body: dict[str, Any] = {each.name: getattr(found, each.name) for each in fields(found)}
    body |= {name: b64encode(getattr(found, name)).decode() for name in TIMES}
    body["spent"] = {
        code: {"cost": plain(of.cost), "priced": of.priced, "tokens": of.tokens} for code, of in found.spent.items()
    }
    return body


def read(body: Mapping[str, Any]) -> Measured:
    """What was kept, again."""
    spent = {code: Spent(Decimal(of["cost"]), of["priced"], of["tokens"]) for code, of in body["spent"].items()}
    return Measured(**{**body, **{name: b64decode(body[name]) for name in TIMES}, "spent": spent})


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of a time: its key, the leg it belongs to, which way is worse ("" for neither), its value and its sample."""

    key: str
    leg: Literal["quality", "latency", "cost", ""]
    worse: Literal["more", "less", ""]
    unit: Literal["ms", "share", "money", "score", "count"]
    value: Callable[[Measured, str], float | None]
    sample: Callable[[Measured, str], int]


def _percentile(key: str, measure: str, q: float) -> Measure:
    def value(m: Measured, _: str) -> float | None:
        return histogram.quantiles_ms(getattr(m, measure), [q])[0]

    return Measure(key, "latency", "more", "ms", value, lambda m, _: histogram.total(getattr(m, measure)))


def _share(key: str, *parts: str) -> Measure:
    def value(m: Measured, _: str) -> float | None:
        return sum(getattr(m, part) for part in parts) / m.served if m.served > 0 else None

    return Measure(key, "quality", "more", "share", value, lambda m, _: m.served)


def _money(key: str, amount: Callable[[Spent], float | None]) -> Measure:
    def value(m: Measured, currency: str) -> float | None:
        return amount(m.spent[currency]) if currency in m.spent else None

    return Measure(key, "cost", "more", "money", value, lambda m, c: m.spent[c].priced if c in m.spent else 0)


MEASURES: tuple[Measure, ...] = (
    Measure("quality", "quality", "less", "score", lambda m, _: m.score_total / m.scores if m.scores else None, lambda m, _: m.scores),
    _share("error_rate", "errors", "timeouts"),
    _share("timeout_rate", "timeouts"),
    _share("refusal_rate", "refusals"),
    _percentile("p50_latency_ms", "latency", 0.5),
    _percentile("p95_latency_ms", "latency", 0.95),
    _percentile("p95_ttft_ms", "ttft", 0.95),
    _percentile("p95_inter_token_ms", "inter_token", 0.95),
    _money("cost_per_request", lambda s: float(s.cost) / s.priced if s.priced else None),
    _money("cost_per_1k_tokens", lambda s: 1000 * float(s.cost) / s.tokens if s.tokens else None),
    Measure("requests", "", "", "count", lambda m, _: float(m.requests), lambda m, _: m.requests),
)  # fmt: skip


def currency_of(*times: Measured) -> str:
    """The currency in which most was priced in all of them; "" where they share none."""
    shared = set.intersection(*(set(each.spent) for each in times))
    return max(sorted(shared), key=lambda code: times[0].spent[code].priced, default="")


@dataclass(frozen=True, slots=True)
class Value:
    """One measure of one time; `value` None where nothing was measured."""

    measure: Measure
    value: float | None
    sample: int


def values(found: Measured, currency: str | None = None) -> tuple[Value, ...]:
    """Every measure of a time, in the order they are told; money in a currency, else in the one most was priced in."""
    code = currency_of(found) if currency is None else currency
    return tuple(Value(m, m.value(found, code), m.sample(found, code)) for m in MEASURES)


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure of two times. `relative` is of the first (None where that is nothing); `verdict` which way it went."""

    measure: Measure
    before: Value
    after: Value
    difference: float | None
    relative: float | None
    verdict: Literal["better", "worse", "same", "unknown", ""]


def differences(before: Measured, after: Measured) -> tuple[str, tuple[Difference, ...]]:
    """(currency, each measure) of two times on the same terms."""
    code = currency_of(before, after)
    pairs = zip(values(before, code), values(after, code), strict=True)
    return code, tuple(_difference(one, other) for one, other in pairs)


def _difference(before: Value, after: Value) -> Difference:
    measure = before.measure
    if before.value is None or after.value is None:
        return Difference(measure, before, after, None, None, "unknown")
    by = after.value - before.value
    relative = by / before.value if before.value else None
    if not measure.worse:
        return Difference(measure, before, after, by, relative, "")
    worse = by > 0 if measure.worse == "more" else by < 0
    return Difference(measure, before, after, by, relative, "same" if by == 0 else "worse" if worse else "better")

"""The form that enters one price: what it says, how the book would take it, and what is wrong with it by field."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field, ValidationError

from trivet.console.money.prices_words import KINDS
from trivet.console.tongue import N_, _
from trivet.kit.body import Asked
from trivet.kit.errors import Invalid
from trivet.pricing.api import NewPrice
from trivet.pricing.book import ENTERED, Key
from trivet.pricing.rate import NEEDED, canonical
from trivet.pricing.tier import tier_of

RATE_MAX = 200  # characters of a rate with its steps
Text = Annotated[Asked, Field()]
Rate = Annotated[str, Field(max_length=RATE_MAX)]
_FREE: Final = dict.fromkeys(NEEDED, "0")
# What is said at a field that the API would refuse.
_WRONG: Final[Mapping[str, str]] = {
    "provider": N_("Write the provider's name as calls tell it, such as openai."),
    "model": N_("Write the model's name as calls tell it, such as gpt-4o."),
    "pool": N_("Write the name of a pool, or nothing."),
    "tier": N_("A tier is a word such as batch, flex or priority."),
    "currency": N_("Write three letters, such as USD."),
    "begins": N_("Write the day such as 2026-12-01, from 2000 to 2099."),
    "source": N_("Write where it comes from in at most 256 characters."),
}
NEEDS: Final = N_("Give a price; write 0 where it is free.")
NO_RATE: Final = N_(
    "Write an amount such as 2.50; one that is dearer beyond 200,000 tokens as 2.50;5>200000, ascending."
)
_FIELDS: Final = {"effective_from": "begins"}  # where the form has another name than the API


class Asking(BaseModel):
    """What the form says, also in the address. Empty is not said; a rate of None is not asked for at all."""

    provider: Text = ""
    model: Text = ""
    pool: Text = ""
    tier: Text = ""
    input: Rate | None = None
    output: Rate | None = None
    cache_read: Rate | None = None
    cache_write: Rate | None = None
    reasoning: Rate | None = None
    currency: Annotated[str, Field(max_length=10)] = ""
    begins: Annotated[str, Field(max_length=10)] = ""
    source: Annotated[str, Field(max_length=500)] = ""

    @property
    def rates(self) -> dict[str, str]:
        """What is said of each kind of token, without the space around it."""
        return {kind: (getattr(self, kind) or "").strip() for kind in KINDS}


class Given(Asking):
    """The same, to be entered."""

    csrf_token: str = Field(max_length=200)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A price as the book would take it; `rates` as `pricing.rate.canonical` has them."""

    key: Key
    starts: datetime
    currency: str
    rates: dict[str, list[list[Any]]]
    source: str


def understood(asking: Asking) -> tuple[Wanted | None, dict[str, str]]:
    """The price that is asked for, or what is wrong by field: as the API's body is checked, in words of this page."""
    rates = {kind: _steps(text) for kind, text in asking.rates.items() if text}
    tier = tier_of(asking.tier.strip() or "standard")
    said = {
        "provider": asking.provider, "model": asking.model, "pool": asking.pool.strip() or None,
        "effective_from": f"{asking.begins.strip()}T00:00:00Z", "currency": asking.currency.strip().upper(),
        "per_million": rates, "source": asking.source.strip() or NewPrice.model_fields["source"].default,
    }  # fmt: skip
    body, fields = None, ["tier"] if tier is None else []
    try:
        body = NewPrice.model_validate(said)
    except ValidationError as bad:
        fields += [str(each["loc"][0]) for each in bad.errors()]
    names = [_FIELDS.get(field, field) for field in fields]
    wrong = {name: _(_WRONG[name]) for name in names} | _wrong_rates(rates)
    if wrong or tier is None or body is None:
        return None, wrong
    key = Key(body.provider, body.model, body.pool or "", tier, ENTERED)
    return Wanted(key, body.effective_from, body.currency, canonical(rates), body.source), {}


def _wrong_rates(rates: Mapping[str, Any]) -> dict[str, str]:
    wrong = {kind: _(NEEDS) for kind in NEEDED if kind not in rates}
    for kind, steps in rates.items():
        try:
            canonical(_FREE | {kind: steps})
        except Invalid:
            wrong[kind] = _(NO_RATE)
    return wrong


def _steps(text: str) -> list[dict[str, Any]]:
    """`2.5;5>200000` as the API takes it; what makes no sense stays as it was written, to be refused."""
    return [_step(part.strip()) for part in text.split(";")]


def _step(part: str) -> dict[str, Any]:
    price, beyond, start = (each.strip() for each in part.partition(">"))
    if not beyond:
        return {"from_input_tokens": 0, "price": price}
    return {"from_input_tokens": int(start) if start.isascii() and start.isdigit() else start, "price": price}


def rate_text(steps: list[list[Any]]) -> str:
    """A rate of the book as the form and the file write it: `2.5;5>200000`."""
    return ";".join(f"{price}>{start}" if start else str(price) for start, price in steps)

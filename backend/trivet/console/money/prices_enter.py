"""A price entered on a page: the form says first what it changes, then goes through the same door as the API."""

from typing import Annotated

from fastapi import APIRouter, Form
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from trivet import db
from trivet.console.door import Looking, check_token
from trivet.console.money import prices_enter_read as reading
from trivet.console.money import prices_links as links
from trivet.console.money.prices_enter_form import Asking, Given, Wanted, understood
from trivet.console.pages import show
from trivet.console.places import check_role
from trivet.console.tongue import _
from trivet.console.views import Reader
from trivet.kit.errors import Conflict
from trivet.pricing import service

router = APIRouter()
PATH = "/prices/new"


@router.get(PATH)
def page_of_a_new_price(looking: Looking, asking: Annotated[Asking, Ask()]) -> HTMLResponse:
    """The form, begun from what the address says; what it would change stands above it."""
    _may(looking)
    with db.transaction() as session:
        return show("prices/enter.html", reading.page(session, looking, reading.begun(session, asking, looking.now)))


@router.post(PATH)
def enter(looking: Looking, given: Annotated[Given, Form()]) -> Response:
    """Enter it; a refusal comes back in the form, at its field."""
    _may(looking)
    check_token(looking, given.csrf_token)
    wanted, problems = understood(given)
    if wanted is None:
        return _again(looking, given, problems, 422)
    try:
        _entered(wanted, looking.email)
    except Conflict as refused:
        problems = {"begins": _("It has a price from this day already: choose another day.")}
        return _again(looking, given, problems, refused.status)
    return RedirectResponse(links.one(*wanted.key[:4]), 303)


def _entered(wanted: Wanted, actor: str) -> None:
    provider, model, pool, tier, _layer = wanted.key
    with db.transaction() as session:
        service.add_price(
            session, provider=provider, model=model, pool=pool, tier=tier, effective_from=wanted.starts,
            currency=wanted.currency, rates=wanted.rates, source=wanted.source, actor=actor,
        )  # fmt: skip


def _again(looking: Reader, given: Given, problems: dict[str, str], status: int) -> HTMLResponse:
    with db.transaction() as session:
        return show("prices/enter.html", reading.page(session, looking, given, problems), status=status)


def _may(looking: Reader) -> None:
    check_role(looking.role, "Prices are for finance and admin", may=looking.may_book)

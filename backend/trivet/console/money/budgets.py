"""The routes of budgets: how each stands, the same as CSV, and a form that makes one."""

from typing import Annotated

from fastapi import APIRouter, Form
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from pydantic import Field

from trivet import db
from trivet.budget import making
from trivet.console import files
from trivet.console.address import settle
from trivet.console.door import Looking, check_token
from trivet.console.money import budgets_form as form
from trivet.console.money import budgets_read as reading
from trivet.console.money.budgets_form import Asking
from trivet.console.money.budgets_read import Query
from trivet.console.pages import show
from trivet.console.places import check_role
from trivet.console.views import Reader
from trivet.kit.errors import TrivetError

router = APIRouter()
PATH = "/budgets"


class Given(Asking):
    """The same, to be made."""

    csrf_token: str = Field(max_length=200)


@router.get(PATH)
def budgets_page(looking: Looking, query: Annotated[Query, Ask()]) -> HTMLResponse:
    """Every budget, the nearest to its limit first."""
    return _shown(looking, query, query, {})


@router.get(f"{PATH}.csv")
def file(looking: Looking, query: Annotated[Query, Ask()]) -> StreamingResponse:
    """The same budgets, all pages of them, with the figures that the API answers."""
    with db.transaction() as session:
        rows = reading.lines(session, query, looking.now)
    return files.csv_answer("budgets", reading.COLUMNS, rows)


@router.post(PATH)
def make(looking: Looking, given: Annotated[Given, Form()]) -> Response:
    """Make it through the same door as the API; a refusal comes back in the form, at its field."""
    check_role(looking.role, "Budgets are for finance and admin", may=looking.may_book)
    check_token(looking, given.csrf_token)
    try:
        identity, asked = form.identity_of(given, looking), form.asked_of(given)
        with db.transaction() as session:
            making.put(
                session, identity, asked, effective_from=form.begins_at(given, identity), actor=looking.email,
                now=looking.now,
            )  # fmt: skip
    except TrivetError as refused:
        return _shown(
            looking, Query.model_validate({}), given, {refused.field or "form": refused.detail}, refused.status
        )
    return RedirectResponse(PATH, 303)


def _shown(looking: Reader, query: Query, asking: Asking, errors: dict[str, str], status: int = 200) -> HTMLResponse:
    kept = query.model_copy(update={name: field.default for name, field in Asking.model_fields.items()})
    address = settle(PATH, kept, looking.now, looking.zone)
    with db.transaction() as session:
        return show(
            "budgets/page.html",
            reading.page(session, looking, query, address, form=asking, errors=errors),
            status=status,
        )

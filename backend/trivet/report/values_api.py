"""Business values over REST: figures that a team tells, and what they are held against."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi import Body as Raw
from pydantic import Field
from sqlalchemy.orm import Session

from trivet import db
from trivet.identity.auth import Principal, platform
from trivet.kit.answer import answers
from trivet.kit.body import Amount, Body, Currency, Name
from trivet.kit.clock import utc_now
from trivet.kit.errors import Invalid
from trivet.kit.interval import month_of
from trivet.kit.money import plain_amount
from trivet.report import money_answers as shapes
from trivet.report import saying, value
from trivet.report.limits import Place
from trivet.report.models import BusinessValue
from trivet.report.query import MonthQuery

router = APIRouter(tags=["report"])
Write = Annotated[Principal, Depends(platform("admin", "finance"))]
Look = Annotated[Principal, Depends(platform("read"))]
Csv = Annotated[bytes, Raw(media_type="text/csv", description="kind,name,month,amount,currency,unit,note")]


class NewValue(Body):
    """What one tenant, model or scenario was worth in a month: money with its currency, or so many of a unit."""

    kind: str = Field(max_length=20)
    name: Name
    month: str = Field(max_length=10)
    amount: Amount
    currency: Currency | None = None
    unit: str = Field("", max_length=value.TEXT_MAX)
    note: str = Field("", max_length=value.TEXT_MAX)


@router.post("/business-values", status_code=201)
def tell_value(body: NewValue, principal: Write) -> dict[str, Any]:
    """Keep a figure; told again for the same month, kind, name and unit it supersedes the one before."""
    told = value.Told(
        body.kind, body.name, body.month, plain_amount(body.amount), body.currency or "", body.unit.strip(), body.note
    )
    with db.transaction() as session:
        (row,) = value.tell(session, [told], actor=principal.actor)
        return _said(session, [row])[0]


@router.post("/business-values/csv", status_code=201)
def tell_values(body: Csv, principal: Write) -> dict[str, Any]:
    """Keep all figures of a CSV file, or none; each wrong row is named."""
    try:
        text = body.decode()
    except UnicodeDecodeError as bad:
        raise Invalid("The file is not UTF-8.", field="row 1") from bad
    with db.transaction() as session:
        rows = value.tell(session, value.parse(text), actor=principal.actor)
        return {"items": _said(session, rows), "next_cursor": None}


@router.get("/business-values", response_model=None, responses=answers(shapes.Values))
def list_values(_: Look, __: Place, query: Annotated[MonthQuery, Query()]) -> dict[str, Any]:
    """The figures that hold, of one month or of all."""
    if query.month is not None:
        value.month(query.month)
    with db.transaction() as session:
        return {"items": _said(session, value.newest(session, query.month)), "next_cursor": None}


@router.get("/costs/value", response_model=None, responses=answers(shapes.HeldAgainst))
def get_value(_: Look, __: Place, query: Annotated[MonthQuery, Query()]) -> dict[str, Any]:
    """Cost against value in a month, the running one where none is named: never added, only held against each other."""
    with db.transaction() as session:
        found = value.against(session, query.month or month_of(utc_now()))
    return {"items": [saying.held(row) for row in found], "next_cursor": None}


def _said(session: Session, rows: list[BusinessValue]) -> list[dict[str, Any]]:
    told = value.named(session, rows)
    return [saying.value(told[row.kind, row.subject_id], row) for row in rows]

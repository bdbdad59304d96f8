"""Files over REST: `GET /exports/costs.csv?from&to`. Made whole, checked, then streamed."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import Field
from sqlalchemy.orm import Session

from trivet import db
from trivet.identity.auth import Principal
from trivet.kit.body import Body, Instant
from trivet.kit.clock import utc_now
from trivet.kit.errors import Forbidden, Invalid
from trivet.kit.interval import Interval
from trivet.report import asking, names
from trivet.report.asking import Read
from trivet.report.files import ask, make, statement
from trivet.report.limits import Place
from trivet.report.query import Names

router = APIRouter(tags=["report"])
PLATFORM_ONLY = ("statement", "supply")  # they say what others cost, or what supply does


class ExportQuery(Body):
    """What a file is to hold: of a `month`, or from `from` to before `to`."""

    from_: Instant | None = Field(None, alias="from")
    to: Instant | None = None
    month: str = Field("", max_length=10)
    group_by: str = Field("", max_length=200)
    grain: str | None = Field(None, max_length=10)
    basis: str = Field("allocation", max_length=20)
    as_of: str | None = Field(None, max_length=10)
    focus_version: str = Field("1.2", max_length=10)
    cost_centre: Names = Field(default_factory=list)
    tenant: Names = Field(default_factory=list)
    scenario: Names = Field(default_factory=list)
    model: Names = Field(default_factory=list)
    provider: Names = Field(default_factory=list)
    pool: Names = Field(default_factory=list)
    purchase: Names = Field(default_factory=list)
    account: Names = Field(default_factory=list)
    period: Names = Field(default_factory=list)

    def given(self) -> dict[str, list[str]]:
        """The filters by dimension, those not given left out."""
        lists = {name: getattr(self, name) for name in names.COSTS_BY}
        return {name: values for name, values in lists.items() if values}

    def interval(self) -> Interval:
        """The month, or the stretch between the two times."""
        if self.month:
            return statement.month_interval(self.month)
        if self.from_ is None or self.to is None:
            raise Invalid("Say `month`, or `from` and `to`.", field="from")
        return Interval(self.from_, self.to)


@router.get(
    "/exports/{file}",
    response_class=StreamingResponse,
    responses={200: {"description": "The file.", "content": {kind: {} for kind in make.MEDIA_TYPES.values()}}},
)
def get_export(file: str, principal: Read, _: Place, query: Annotated[ExportQuery, Query()]) -> StreamingResponse:
    """`costs` and `usage` as csv or xlsx, `statement.pdf`, `allocation` and `supply` as focus.csv or parquet.

    The same numbers as `/costs` and `/usage`. A FOCUS file that breaks a rule, or does not add up, does not leave.
    """
    kind, form = file.split(".", 1) if "." in file else (file, "")
    with db.transaction() as session:
        ask.one_moment(session)
        made = make.file(session, kind, wish(session, kind, form, query, principal), utc_now())
    return sent(made)


def wish(session: Session, kind: str, form: str, query: ExportQuery, principal: Principal) -> make.Wish:
    """What a file is to hold, of the rows that the caller may see."""
    make.check(kind, form)
    if principal.tenant_id is not None and kind in PLATFORM_ONLY:
        raise Forbidden(f"{principal.actor} is bound to one tenant; this concerns the platform as a whole.")
    given = query.given()
    if kind == "statement" and (len(query.cost_centre) != 1 or not query.month):
        raise Invalid("A statement is of one `cost_centre` and one `month`.", field="cost_centre")
    unknown = [name for name in given if kind == "usage" and name not in names.USAGE_BY]
    if unknown:
        raise Invalid(f"Usage knows no {unknown[0]}: filter by some of {', '.join(names.USAGE_BY)}.", field=unknown[0])
    return make.Wish(
        form, query.interval(), query.group_by, query.grain, query.basis, query.as_of, query.focus_version,
        query.cost_centre[0] if kind == "statement" else "", query.month, asking.where(session, given, principal), given,
    )  # fmt: skip


def sent(made: make.Made) -> StreamingResponse:
    """The file as an answer; its name is plain letters, so the header needs no encoding."""
    headers = {"Content-Disposition": f'attachment; filename="{made.name}"', "Cache-Control": "no-store"}
    return StreamingResponse(make.parts(made.content), media_type=made.media_type, headers=headers)

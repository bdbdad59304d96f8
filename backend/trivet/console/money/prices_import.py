"""Price lists on a page: chosen, held against the book, shown, then entered with one button."""

import base64
import binascii
import zlib
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, File, Form, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import TypeAdapter, ValidationError

from trivet import db
from trivet.console.door import Looking, check_token
from trivet.console.money import prices_import_words as words
from trivet.console.money.prices_views import ImportPage, MoveRow
from trivet.console.pages import show
from trivet.console.places import check_role
from trivet.console.tongue import _
from trivet.console.views import Reader
from trivet.kit.body import Instant
from trivet.kit.clock import floor, rfc3339
from trivet.kit.errors import Invalid, TrivetError
from trivet.pricing.importing import later, litellm
from trivet.pricing.importing import service as importing
from trivet.pricing.importing.preview import CHANGED, NEW, Change, Preview

router = APIRouter()
MOVES_SHOWN = 200
LATER_BYTES = 1 << 20  # a larger list is entered by a worker, as a job
PACKED_MAX = 4 << 20  # characters of a price file on its way from the preview to its Apply


@router.get("/prices/import")
def page_of_import(looking: Looking) -> HTMLResponse:
    """Choose a list."""
    return show("prices/import.html", _import_page(looking, None, ""))


@router.post("/prices/import")
def preview_import(
    looking: Looking,
    csrf_token: Annotated[str, Form(max_length=200)],
    source: Annotated[Literal["litellm", "genai-prices"], Form()],
    file: Annotated[UploadFile | None, File()] = None,
) -> HTMLResponse:
    """What a list would change; nothing is."""
    _may(looking)
    check_token(looking, csrf_token)
    data = file.file.read(litellm.FILE_LIMIT_BYTES + 1) if file else b""
    at = floor(looking.now, 1)
    try:
        with db.transaction() as session:
            seen = importing.look(session, later.offered(session, source, data, at), at)
    except TrivetError as refused:
        return show("prices/import.html", _import_page(looking, None, "", refused.detail), status=refused.status)
    return show("prices/import.html", _import_page(looking, seen, _packed(data)))


@router.post("/prices/import/apply")
def apply_import(
    looking: Looking,
    csrf_token: Annotated[str, Form(max_length=200)],
    source: Annotated[Literal["litellm", "genai-prices"], Form()],
    effective_from: Annotated[str, Form(max_length=40)],
    packed: Annotated[str, Form(max_length=PACKED_MAX)] = "",
) -> Response:
    """Enter the list that was previewed, from the same instant on."""
    _may(looking)
    check_token(looking, csrf_token)
    try:
        at, data = _instant(effective_from), _unpacked(packed)
        with db.transaction() as session:
            if len(data) > LATER_BYTES:
                return RedirectResponse(f"/jobs/{later.begin(session, source, data, at, looking.email).id}", 303)
            importing.enter(session, later.offered(session, source, data, at), at, looking.email)
    except TrivetError as refused:
        return show("prices/import.html", _import_page(looking, None, "", refused.detail), status=refused.status)
    return RedirectResponse("/prices", 303)


def _may(looking: Reader) -> None:
    check_role(looking.role, "Prices are for finance and admin", may=looking.may_book)


def _packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 9)).decode() if data else ""


def _unpacked(packed: str) -> bytes:
    try:
        return zlib.decompressobj().decompress(base64.b64decode(packed, validate=True), litellm.FILE_LIMIT_BYTES + 1)
    except (binascii.Error, zlib.error, ValueError) as bad:
        raise Invalid("The list did not come back as it was shown: choose the file again.", field="file") from bad


def _instant(text: str) -> datetime:
    try:
        at: datetime = TypeAdapter(Instant).validate_python(text)
    except ValidationError as bad:
        raise Invalid(
            "The preview's instant did not come back: choose the file again.", field="effective_from"
        ) from bad
    return at


def _import_page(looking: Reader, seen: Preview | None, packed: str, problem: str = "") -> ImportPage:
    moving = [*seen.of(CHANGED), *seen.of(NEW)] if seen else []
    left_out = seen.unsayable if seen else ()
    return ImportPage(
        reader=looking,
        sentence=words.preview(seen) if seen else _("A price list is shown before it is entered."),
        seen=seen is not None,
        rows=tuple(map(_move, moving[:MOVES_SHOWN])),
        more=max(0, len(moving) - MOVES_SHOWN),
        left_out=tuple((each.name, each.reason) for each in left_out[:MOVES_SHOWN]),
        more_left_out=max(0, len(left_out) - MOVES_SHOWN),
        source="litellm" if packed else "genai-prices",
        packed=packed,
        effective_from=rfc3339(seen.effective_from) if seen else "",
        may_apply=looking.may_book and bool(moving),
        problem=problem,
    )


def _move(change: Change) -> MoveRow:
    sold = change.offer.sold
    note = " · ".join(filter(None, (sold.provider, sold.tier)))
    return MoveRow(sold.model, note, change.state, tuple(map(words.moved, change.moves)), change.overridden)

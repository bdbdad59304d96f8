"""What the forms of routes and of windows share: texts into what the API takes, and a refusal's field. Pure."""

import re
from collections.abc import Iterable
from typing import Annotated, Final, TypeVar

from pydantic import BaseModel, Field, ValidationError

from trivet.console.places import check_role
from trivet.console.tongue import _
from trivet.console.views import Reader
from trivet.kit.errors import Invalid, TrivetError
from trivet.notify.rules.decide import span
from trivet.notify.rules.matchers import MATCHER_LENGTH_MAX, MATCHERS_MAX

ROLES: Final = ("admin", "sre")
Text = Annotated[str, Field(max_length=256, pattern=r"^[^\x00]*$")]
Lines = Annotated[str, Field(max_length=MATCHERS_MAX * (MATCHER_LENGTH_MAX + 2), pattern=r"^[^\x00]*$")]
UNITS: Final = {"": 1.0, "s": 1.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0}
_SPAN: Final = re.compile(r"(\d{1,7}(?:\.\d{1,9})?)\s*(s|min|h|d|)")
Made = TypeVar("Made", bound=BaseModel)


class Deleted(BaseModel):
    """A route or a window to delete, and why."""

    csrf_token: str = Field("", max_length=200)
    of: Text = ""
    why: Text = ""

    def reason(self) -> str:
        """Why, without the space around it; `Invalid` for nothing."""
        return needed(self.why, "why", _("Say why: it stands in the audit beside your name."))


def may(looking: Reader) -> bool:
    """Whether somebody makes routes and windows; never who is of one tenant."""
    return looking.role in ROLES and looking.tenant_id is None


def check_may(looking: Reader) -> None:
    """`Forbidden` for who does not."""
    check_role(looking.role, "Routes and maintenance windows are made by admin and sre", may=may(looking))


def lines(text: str) -> list[str]:
    """One a line."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def needed(text: str, field: str, words: str) -> str:
    """What was written, without the space around it; `Invalid` with these words for nothing."""
    if not text.strip():
        raise Invalid(words, field=field)
    return text.strip()


def seconds(text: str, field: str, model: type[BaseModel] | None = None) -> float:
    """`90 s`, `15 min`, `4 h`, `2 d` in seconds, a bare number too; held to the bounds of the model's field."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise Invalid(
            _("{text} is no length of time: write one such as 90 s, 15 min or 4 h.", text=text[:40]), field=field
        )
    length_s = float(found[1]) * UNITS[found[2]]
    least, most = _bounds(model, field) if model else (0.0, float("inf"))
    if not least <= length_s <= most:
        raise Invalid(
            _("Write a length of time from {least} to {most}.", least=span(least), most=span(most)), field=field
        )
    return length_s


def _bounds(model: type[BaseModel], field: str) -> tuple[float, float]:
    told = model.model_fields[field].metadata
    least = next((each.ge for each in told if hasattr(each, "ge")), 0.0)
    return float(least), float(next(each.le for each in told if hasattr(each, "le")))


def held(model: type[Made], given: dict[str, object]) -> Made:
    """What the API's own body makes of it; `Invalid` names the field that it refuses, in its words."""
    try:
        return model.model_validate(given)
    except ValidationError as wrong:
        first = wrong.errors(include_url=False)[0]
        said = str(first.get("ctx", {}).get("error", first["msg"]))
        raise Invalid(f"{said[:1].upper()}{said[1:]}.", field=str(first["loc"][0])) from wrong


def problem(refused: TrivetError, fields: Iterable[str]) -> dict[str, str]:
    """A refusal by the field it is about; `form` where it is none of these."""
    return {refused.field if refused.field in set(fields) else "form": refused.detail}

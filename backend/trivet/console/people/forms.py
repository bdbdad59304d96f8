"""What forms about people carry, and how a refusal comes back to its field."""

from typing import Annotated

from fastapi import Form, Path
from pydantic import BaseModel, Field

from trivet.kit.body import Asked
from trivet.kit.errors import Invalid, TrivetError
from trivet.kit.page import INT4

Id = Annotated[int, Path(ge=1, lt=INT4.stop)]
Text = Annotated[Asked, Field(max_length=256)]
Secret = Annotated[str, Field(max_length=1024)]


class Sent(BaseModel):
    """Every form."""

    csrf_token: Annotated[str, Field(max_length=200)] = ""


class Named(Sent):
    """Another name of oneself."""

    name: Text = ""


class Passwords(Sent):
    """A new password, and the one that holds."""

    old: Secret = ""
    new: Secret = ""


class Ended(Sent):
    """Sessions to end: one by `family`, those elsewhere (`others`), or all."""

    family: Text = ""
    which: Annotated[str, Field(max_length=10)] = "one"


class Added(Sent):
    """Somebody new. Without a password they come by a one-time link."""

    email: Text = ""
    name: Text = ""
    role: Text = "viewer"
    tenant: Text = ""


class Changed(Sent):
    """What becomes of somebody."""

    name: Text = ""
    role: Text = ""
    tenant: Text = ""


class Why(Sent):
    """A dangerous act, and why."""

    reason: Annotated[Asked, Field(max_length=500)] = ""


class Made(Sent):
    """A key to make."""

    name: Text = ""
    tenant: Text = ""
    scopes: Annotated[list[Text], Field(max_length=10)] = []  # pydantic copies it


class Verify(Sent):
    """How to verify the chain; `again`: from the first row."""

    again: bool = False


NamedForm = Annotated[Named, Form()]
PasswordsForm = Annotated[Passwords, Form()]
EndedForm = Annotated[Ended, Form()]
AddedForm = Annotated[Added, Form()]
ChangedForm = Annotated[Changed, Form()]
WhyForm = Annotated[Why, Form()]
MadeForm = Annotated[Made, Form()]
VerifyForm = Annotated[Verify, Form()]
SentForm = Annotated[Sent, Form()]


def needed(given: str, field: str, words: str) -> str:
    """What was written, without the space around it; `Invalid` with these words for nothing."""
    if not given.strip():
        raise Invalid(words, field=field)
    return given.strip()


def problem(refused: TrivetError, *fields: str) -> dict[str, str]:
    """A refusal by the field it is about; `form` where it is none of these."""
    return {refused.field if refused.field in fields else "form": refused.detail}

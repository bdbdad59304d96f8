"""OpenFeature Remote Evaluation Protocol 0.3.0: which policy applies, for backends and for any OpenFeature client.

A bulk call that names a `backend` and no `targetingKey` gets that backend's whole document in flag `policy`. Its ETag is
the state's identity, so a later call with it proves what the backend holds. Every other call is evaluated here, by the same
pure function that clients use.
"""

import hashlib
import json
import secrets
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet import db
from trivet.command import polls
from trivet.command.events import stream_of
from trivet.command.policy import CardChange
from trivet.identity.auth import Principal, requires
from trivet.ingest.store.persist import deny
from trivet.kit.clock import rfc3339, utc_now
from trivet.tenant.models import Tenant
from trivet_collectors.policy.evaluate import DEFAULTS, POLICY, FlagValue, State, resolve, values, variant

root_router = APIRouter(prefix="/ofrep/v1/evaluate/flags", tags=["ofrep"])
Policy = Annotated[Principal, Depends(requires("policy"))]
BODY_BYTES_MAX = 64 * 1024
KEYS = frozenset({*DEFAULTS, POLICY})
NAME_MAX = 200
ETAGS_MAX = 1000  # characters of If-None-Match; a longer one names nothing of ours


class Refused(Exception):
    """What is wrong with a question, in the protocol's words."""

    def __init__(self, code: str, details: str, status: int = 400) -> None:
        super().__init__(details)
        self.code, self.details, self.status = code, details, status

    def answer(self, key: str | None = None) -> JSONResponse:
        body = {"errorCode": self.code, "errorDetails": self.details}
        return JSONResponse(body if key is None else {"key": key, **body}, self.status)


@dataclass(frozen=True, slots=True)
class Question:
    """What a call asks about: the evaluation context, its names checked."""

    context: dict[str, Any]
    backend: str
    tenant: str
    bound: bool = False  # asked with a tenant's own key


async def read_body(request: Request) -> bytes:
    """The body, bounded while it comes in; the answer is made in a thread, where the database is."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > BODY_BYTES_MAX:
            return b"\xff"  # no JSON: refused as such, and the rest is not read
        chunks.append(chunk)
    return b"".join(chunks)


Body = Annotated[bytes, Depends(read_body)]
IfNoneMatch = Annotated[str | None, Header()]


@root_router.post("", response_model=None)
def bulk(body: Body, principal: Policy, if_none_match: IfNoneMatch = None) -> Response:
    """All flags; for a backend without `targetingKey` its whole document."""
    now, held = utc_now(), etags(if_none_match)
    try:
        with db.transaction() as session:
            question = _question(session, body, principal)
            whole = bool(question.backend and not question.tenant)
            ask = partial(polls.answer, held=held, now=now) if whole else polls.everything
            known = ask(session, question.backend)
    except Refused as refused:
        return refused.answer()
    except polls.NoRoom as refused:
        with db.transaction() as session:
            deny(session, Counter([refused.reason]), principal.key_id, now)
        answered = Refused("GENERAL", refused.detail, refused.status).answer()
        if refused.retry_after_s:
            answered.headers["Retry-After"] = str(refused.retry_after_s)
        return answered
    if not whole:
        return evaluated(known, question, now, held)
    if known.unchanged:
        polls.memory.prove(known.backend, known.etag, now)
    return document(known, now, unchanged=known.unchanged)


@root_router.post("/{key}", response_model=None)
def single(key: str, body: Body, principal: Policy) -> Response:
    """One flag."""
    if key not in KEYS:
        return Refused("FLAG_NOT_FOUND", f"`{key}` is no flag of Trivet's", 404).answer(key)
    try:
        with db.transaction() as session:
            question = _question(session, body, principal)
            known = polls.everything(session, question.backend)
    except Refused as refused:
        return refused.answer(key)
    return one(known, question, key, utc_now())


def etags(header: str | None) -> frozenset[str]:
    """The tags of an If-None-Match header; weak ones count (the comparison is weak by definition)."""
    if header is not None and len(header) > ETAGS_MAX:
        return frozenset()
    return frozenset(tag.strip().removeprefix("W/") for tag in (header or "").split(",") if tag.strip())


def _question(session: Session, body: bytes, principal: Principal) -> Question:
    """What was asked; a key bound to a tenant decides the tenant, whatever the context says."""
    question = asked(body)
    if principal.tenant_id is None:
        return question
    tenant = session.scalars(select(Tenant.name).where(Tenant.id == principal.tenant_id)).one()
    return replace(question, context=question.context | {"targetingKey": tenant}, tenant=tenant, bound=True)


def asked(body: bytes) -> Question:
    """The question in a body, its names checked; `Refused` where it is none."""
    try:
        said = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        raise Refused("PARSE_ERROR", 'the body is JSON of at most 64 KiB: {"context": {…}}') from None
    context = said.get("context", {}) if isinstance(said, dict) else None
    if not isinstance(context, dict):
        raise Refused("INVALID_CONTEXT", "`context` is an object")
    _name(context, "scenario")
    _name(context, "tier")
    # Without a conversation the call draws its own, so that callers that have none are split by the same shares.
    context = context | {"session": _name(context, "session") or secrets.token_hex(8)}
    return Question(context, _name(context, "backend"), _name(context, "targetingKey"))


def _name(context: dict[str, Any], key: str) -> str:
    """A text of the context, empty where it is not said."""
    value = context.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > NAME_MAX or "\0" in value or not _is_text(value):
        raise Refused("INVALID_CONTEXT", f"`{key}` is a text of at most {NAME_MAX} characters")
    return value


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def document(answer: polls.Answer, now: datetime, *, unchanged: bool) -> Response:
    headers = document_headers(answer, now)
    if unchanged:
        return Response(status_code=304, headers=headers)
    value = answer.document(now)
    flag = {"key": POLICY, "value": value, "reason": "STATIC", "variant": POLICY}
    said = {"flags": [flag], "metadata": {"backend": answer.backend}, "eventStreams": stream_of(answer.backend)}
    return JSONResponse(said, headers=headers)


def document_headers(answer: polls.Answer, now: datetime) -> dict[str, str]:
    valid_until = rfc3339(now + timedelta(seconds=answer.valid_s))
    return {"ETag": answer.etag, "Trivet-Valid-Until": valid_until, "Cache-Control": "no-cache"}


def evaluated(known: polls.Answer, question: Question, now: datetime, held: frozenset[str]) -> Response:
    flags = list(_flags(known, question, now))
    tag = f'"{hashlib.sha256(json.dumps(flags, sort_keys=True).encode()).hexdigest()[:32]}"'
    if tag in held:
        return Response(status_code=304, headers={"ETag": tag})
    said = {"flags": flags, "metadata": {}, "eventStreams": stream_of("" if question.bound else question.backend)}
    return JSONResponse(said, headers={"ETag": tag})


def one(known: polls.Answer, question: Question, key: str, now: datetime) -> Response:
    """The answer to a question for one flag."""
    found, common = _found(known, question, now)
    return JSONResponse({"key": key, "value": found if key == POLICY else found[key], **common})


def _flags(known: polls.Answer, question: Question, now: datetime) -> list[dict[str, Any]]:
    found, common = _found(known, question, now)
    return [{"key": key, "value": value, **common} for key, value in {**found, POLICY: found}.items()]


def _found(known: polls.Answer, question: Question, now: datetime) -> tuple[dict[str, FlagValue], dict[str, Any]]:
    """Every flag, and what is said beside each."""
    state = resolve(known.document(now), question.context, now)
    changed = known.changes.get(question.context.get("scenario", ""))
    metadata = {
        "generation": state.generation,
        "revision": state.revision,
        "level": state.level,
        "cause": _kind(state, changed) if question.bound else state.cause,
    }
    return values(state), {"reason": state.reason, "variant": variant(state.level), "metadata": metadata}


def _kind(state: State, changed: CardChange | None) -> str:
    """The cause as a tenant may know it: of what kind the command was, not the words that operators wrote to each other."""
    if not state.cause:
        return ""
    if state.flags.get("admission") == "reject":
        return "break"
    if state.level:
        return "degrade"
    return changed.kind if changed and changed.cause == state.cause else "restore"

"""One export, whatever brought it: who sends it, how much of it is held, and what came of it. HTTP and gRPC share this."""

import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from trivet import problems
from trivet.identity import auth
from trivet.identity.auth import Principal
from trivet.ingest import counters
from trivet.ingest.line import gate
from trivet.ingest.service import take_traces
from trivet.ingest.signal.telemetry import take_logs, take_metrics
from trivet.kit.errors import TrivetError, Unauthenticated, Unavailable, kebab
from trivet.settings import get_settings

log = logging.getLogger("trivet.ingest")

SAY_AGAIN_S = 30.0
RETRY_AFTER_S = 2

Take = Callable[[bytes, str, Principal], Awaitable[Counter[str]]]
# Signal -> what stores a body of it: (body, media type, who sends) -> refusals of single items by reason, after the commit.
TAKE: dict[str, Take] = {"traces": take_traces, "metrics": take_metrics, "logs": take_logs}


async def sender(headers: Mapping[str, str]) -> Principal:
    """Who sends, by headers or metadata with names in lower case. Waits for nothing else that goes on in the process."""
    secret = auth.secret_of(headers)
    if not secret:
        raise Unauthenticated(auth.NO_KEY)
    principal = auth.known(secret)
    if principal is None:
        principal = await gate.ask(auth.key_principal, secret)
    return auth.having(principal, "ingest")


def held(principal: Principal) -> AbstractContextManager[Callable[[int], None]]:
    """Hold a body of this sender (see `gate.body`)."""
    limit = get_settings().otlp_body_limit_bytes
    return gate.body(_name(principal), max(get_settings().otlp_held_limit_bytes, limit), limit)


def _name(principal: Principal) -> str:
    """Whose share it is: all keys of a tenant have one."""
    return f"tenant:{principal.tenant_id}" if principal.tenant_id is not None else f"key:{principal.key_id}"


async def outcome(signal: str, transport: str, export: Awaitable[Counter[str]]) -> Counter[str] | TrivetError:
    """What came of an export, counted: refusals of single items by reason, or the refusal of it all.

    Raises what is a fault of ours.
    """
    came: Counter[str] | TrivetError
    status, reason = 200, ""
    try:
        came = await export
    except TrivetError as refused:
        came, status, reason = refused, refused.status, kebab(type(refused).__name__)
    except (DBAPIError, PoolTimeout, psycopg.Error) as error:
        again = try_again(error)
        if again is None:
            counters.exports.labels(signal, transport, "500", "fault").inc()
            raise
        _say_away(error)
        reason, said = again
        came, status = Unavailable(said, retry_after_s=RETRY_AFTER_S), Unavailable.status
    except Exception:
        counters.exports.labels(signal, transport, "500", "fault").inc()
        raise
    counters.exports.labels(signal, transport, str(status), reason).inc()
    return came


_WRAPPED: Callable[..., Exception] = DBAPIError.instance  # typed more loosely there than it answers


def try_again(error: Exception) -> tuple[str, str] | None:
    """(reason, what to say) where sending the same again may help: the database is away, or others held it too long."""
    if isinstance(error, psycopg.Error):  # COPY speaks to the driver
        error = _WRAPPED(None, None, error, psycopg.Error)
    if problems.is_away(error):
        return "database-away", problems.AWAY
    return ("database-busy", problems.BUSY) if problems.is_busy(error) else None


_said_at = -SAY_AGAIN_S


def _say_away(error: Exception) -> None:
    """One line in the log, and not one for each export that is turned away."""
    global _said_at  # noqa: PLW0603  # when the process last said it
    if time.monotonic() - _said_at >= SAY_AGAIN_S:
        _said_at = time.monotonic()
        log.warning("exports are answered 503, the database is away or busy: %s", str(error).partition("\n")[0])

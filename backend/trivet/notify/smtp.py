"""The SMTP channel: one connection for a batch, each mail's fate in plain words."""

import smtplib
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage

from trivet.settings import Settings

TIMEOUT_S = 15
WORDS_MAX = 300


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one try: `served` took it, `later` may take it another time, `never` will not, each with words."""

    served: tuple[str, ...] = ()
    later: dict[str, str] = field(default_factory=dict)
    never: dict[str, str] = field(default_factory=dict)


class Away(Exception):  # a fact, like those of kit.errors
    """The server cannot be used now: it is not there, speaks no TLS, or does not take the password."""


@contextmanager
def connected(settings: Settings) -> Iterator[smtplib.SMTP]:
    """A connection, signed in, with the protection that `smtp_tls` asks for and never with less; `Away` otherwise."""
    try:
        server = _open(settings)
    except (smtplib.SMTPException, OSError, ValueError) as failed:
        raise Away(f"{settings.smtp_host}:{settings.smtp_port}: {words(failed)}") from failed
    try:
        yield server
    finally:
        with suppress(smtplib.SMTPException, OSError):
            server.quit()
        server.close()


def _open(settings: Settings) -> smtplib.SMTP:
    host, port = settings.smtp_host, settings.smtp_port
    trusted = ssl.create_default_context(cafile=settings.smtp_ca_file or None)
    if settings.smtp_tls == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=trusted)
    else:
        server = smtplib.SMTP(host, port, timeout=TIMEOUT_S)
    try:
        if settings.smtp_tls == "starttls":
            server.starttls(context=trusted)
        if settings.smtp_user:
            server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
    except BaseException:
        server.close()
        raise
    return server


def send(server: smtplib.SMTP, sender: str, to: list[str], made: EmailMessage) -> Fate:
    """Try once. A permanent refusal is 5xx; everything else, a lost connection too, may be better another time."""
    try:
        refused = server.sendmail(sender, to, made.as_bytes())
    except smtplib.SMTPRecipientsRefused as all_refused:
        return _sorted(to, all_refused.recipients)
    except smtplib.SMTPResponseException as answer:
        with suppress(smtplib.SMTPException, OSError):
            server.rset()
        return _sorted(to, dict.fromkeys(to, (answer.smtp_code, answer.smtp_error)))
    except (smtplib.SMTPException, OSError) as failed:
        return Fate(later=dict.fromkeys(to, words(failed)))
    return _sorted(to, refused)


def _sorted(to: list[str], refused: Mapping[str, tuple[int, bytes | str]]) -> Fate:
    said = {one: f"{code} {_text(reply)}"[:WORDS_MAX] for one, (code, reply) in refused.items()}
    never = {one: text for one, text in said.items() if 500 <= refused[one][0] < 600}
    later = {one: text for one, text in said.items() if one not in never}
    return Fate(tuple(one for one in to if one not in refused), later, never)


def words(failed: BaseException) -> str:
    """What went wrong, without the password: the libraries do not put it into their words."""
    if isinstance(failed, smtplib.SMTPResponseException):
        return f"{failed.smtp_code} {_text(failed.smtp_error)}"[:WORDS_MAX]
    return f"{type(failed).__name__}: {failed}"[:WORDS_MAX]


def _text(reply: bytes | str) -> str:
    return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply

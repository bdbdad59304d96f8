"""A real SMTP server on loopback that answers as each test tells it to."""

import socket
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from trivet import db
from trivet.kit.clock import utc_now
from trivet.notify import service
from trivet.notify.models import Message
from trivet.settings import get_settings


class Mailbox:
    """What the server took. `to_recipient` and `to_data` are its answers: None is yes, else the reply."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.to_recipient: Callable[[str], str | None] = lambda _: None
        self.to_data: Callable[[], str | None] = lambda: None

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if answer := self.to_recipient(address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        if answer := self.to_data():
            return answer
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 OK"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def sign_in(server, session, envelope, mechanism, data):
    return AuthResult(success=data.login == b"ops" and data.password == b"right", handled=False)


def use(monkeypatch: pytest.MonkeyPatch, **settings: object) -> None:
    for field, value in settings.items():
        monkeypatch.setenv(f"TRIVET_{field.upper()}", str(value))
    get_settings.cache_clear()


@pytest.fixture
def start(database, monkeypatch) -> Iterator[Callable[..., Mailbox]]:
    """`start(**controller options)` -> the mailbox of a server that Trivet is set to."""
    running = []

    def go(smtp_tls: str = "none", **options: object) -> Mailbox:
        box = Mailbox()
        server = Controller(box, hostname="127.0.0.1", port=free_port(), **options)
        server.start()
        running.append(server)
        use(
            monkeypatch, smtp_host="127.0.0.1", smtp_port=server.port, smtp_from="trivet@example.com", smtp_tls=smtp_tls
        )
        return box

    yield go
    for server in running:
        server.stop(no_assert=True)


@pytest.fixture
def tell(database) -> Callable[..., bool]:
    """Enqueue one message."""

    def enqueue(key: str = "k", to: tuple[str, ...] = ("ann@example.com",), **more: object) -> bool:
        given = {"subject": "80 % of the month's money", "text": "Look.\n", "now": utc_now()} | more
        with db.transaction() as session:
            return service.enqueue(session, key=key, to=to, **given)

    return enqueue


@pytest.fixture
def row(database) -> Callable[..., Message]:
    """The message as it stands."""

    def read(key: str = "k") -> Message:
        from sqlalchemy import select

        with db.transaction() as session:
            return session.scalars(select(Message).where(Message.key == key)).one()

    return read

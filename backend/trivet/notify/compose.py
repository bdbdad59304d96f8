"""From a message's row to the mail that goes out: pure, the same bytes each time."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from hashlib import sha256

from trivet.kit.errors import Invalid

ADDRESSES_MAX = 50
ADDRESS_LENGTH_MAX = 254
SUBJECT_LENGTH_MAX = 200
BODY_LENGTH_MAX = 200_000
ATTACHMENTS_MAX = 10
ATTACHMENT_BYTES_MAX = 15 << 20
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")
_FILE_NAME = re.compile(r"[^\x00-\x1f\x7f\"\\/;:*?<>|\ud800-\udfff]{1,150}")
_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]+")
_NOT_IN_A_LINE = re.compile("[\x00-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_NOT_IN_A_TEXT = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file to go with a message."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Mail:
    """What goes out: `to` are those still to be reached, `every_to` those the header names."""

    key: str
    sender: str
    every_to: tuple[str, ...]
    subject: str
    text: str
    html: str
    created_at: datetime
    attachments: tuple[Attachment, ...] = ()


def addresses(to: Sequence[str]) -> list[str]:
    """The addresses, each once, in the order given; `Invalid` for what is none, so for every try to add a header."""
    found = list(dict.fromkeys(to))
    if not found or len(found) > ADDRESSES_MAX:
        raise Invalid(f"A message goes to 1 to {ADDRESSES_MAX} addresses; these are {len(found)}.", field="to")
    for one in found:
        if len(one) > ADDRESS_LENGTH_MAX or not _ADDRESS.fullmatch(one):
            raise Invalid(f"{one[:80]!r} is no mail address: write one such as ops@example.com.", field="to")
    return found


def one_line(subject: str) -> str:
    """A subject as one line: a name in it can hold anything, and a line break would begin another header."""
    return _NOT_IN_A_LINE.sub(" ", subject).strip()[:SUBJECT_LENGTH_MAX]


def body(words: str) -> str:
    """A body without what no database keeps, cut where it is too long, saying so."""
    clean = _NOT_IN_A_TEXT.sub("", words)
    return clean if len(clean) <= BODY_LENGTH_MAX else clean[:BODY_LENGTH_MAX] + "\n… (cut)"


def files(attachments: Sequence[Attachment]) -> tuple[Attachment, ...]:
    """The attachments; `Invalid` for too many, too large, or a name that a header cannot hold."""
    size = sum(len(one.content) for one in attachments)
    if len(attachments) > ATTACHMENTS_MAX or size > ATTACHMENT_BYTES_MAX:
        raise Invalid(
            f"A message carries at most {ATTACHMENTS_MAX} files of {ATTACHMENT_BYTES_MAX >> 20} MiB together; "
            f"these are {len(attachments)} of {size} bytes. Send a link instead.",
            field="attachments",
        )
    for one in attachments:
        if not _FILE_NAME.fullmatch(one.name) or not _MEDIA_TYPE.fullmatch(one.media_type):
            raise Invalid(
                f"{one.name[:80]!r} ({one.media_type[:40]!r}) cannot name a file in a mail.", field="attachments"
            )
    return tuple(attachments)


def message_id(key: str, sender: str) -> str:
    """The same for the same occasion, so that a mail sent again after a crash is recognised as the same one."""
    return f"<{sha256(key.encode()).hexdigest()[:32]}@{sender.rpartition('@')[2]}>"


def mail(given: Mail) -> EmailMessage:
    """The mail with its headers. The library refuses line breaks in any of them as well."""
    made = EmailMessage(policy=SMTP)
    made["From"] = Address("Trivet", addr_spec=given.sender)
    made["To"] = ", ".join(given.every_to)
    made["Subject"] = given.subject
    made["Date"] = given.created_at
    made["Message-ID"] = message_id(given.key, given.sender)
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(given.text)
    if given.html:
        made.add_alternative(given.html, subtype="html")
    for one in given.attachments:
        main, _, sub = one.media_type.partition("/")
        made.add_attachment(one.content, maintype=main, subtype=sub, filename=one.name)
    return made

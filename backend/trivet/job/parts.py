"""Files of jobs, kept in parts: read and written a part at a time, so that none is ever whole in memory."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from trivet import db
from trivet.job.models import JobPart
from trivet.kit.errors import TooLarge

PART_BYTES = 1 << 20
IN_MEMORY_BYTES = 4 << 20
RESULT = "result"


def keep(session: Session, job_id: int, name: str, content: IO[bytes], limit_bytes: int) -> int:
    """Keep a file under a name of a job; how many bytes. `TooLarge` past the limit."""
    size = number = 0
    content.seek(0)
    while part := content.read(PART_BYTES):
        size += len(part)
        if size > limit_bytes:
            raise TooLarge(f"A job keeps files of up to {limit_bytes >> 20} MiB: ask for less at once.", field="file")
        session.execute(insert(JobPart).values(job_id=job_id, name=name, number=number, content=part))
        number += 1
    return size


def read(job_id: int, name: str) -> Iterator[bytes]:
    """The file from its beginning, each part in a transaction of its own: whoever reads slowly holds nothing."""
    number = 0
    while True:
        query = select(JobPart.content)
        with db.transaction() as session:
            part = session.scalar(query.where(JobPart.job_id == job_id, JobPart.name == name, JobPart.number == number))
        if part is None:
            return
        yield part
        number += 1


@contextmanager
def opened(job_id: int, name: str) -> Iterator[IO[bytes]]:
    """The file, to read and seek in. Empty where there is none."""
    with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES) as kept:
        for part in read(job_id, name):
            kept.write(part)
        kept.seek(0)
        yield kept


def forget_given(session: Session, job_id: int) -> None:
    """What a job was given is of no use once it has ended."""
    session.execute(delete(JobPart).where(JobPart.job_id == job_id, JobPart.name != RESULT))

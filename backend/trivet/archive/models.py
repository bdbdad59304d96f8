"""What retention did: with each day of each table, and with the rollups."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import BigInteger, Date, Numeric, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base


class ArchivedDay(Base):
    """One day of one table on its way out: written, closed, dropped. A row that stays is the proof of what went.

    `rows`, `picos` (sum of costs) and `until` (the newest instant that its rows count for) are those of the day when it
    was written, and of the day when it was closed. `url` is its folder, empty where it was written nowhere. From
    `closed_at` on it takes no rows, and nothing is made again out of it.
    """

    __tablename__ = "archive"

    table_name: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    url: Mapped[str]
    files: Mapped[int]
    rows: Mapped[int] = mapped_column(BigInteger)
    bytes: Mapped[int] = mapped_column(BigInteger)
    picos: Mapped[Decimal] = mapped_column(Numeric(38, 0))
    until: Mapped[datetime | None]
    written_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    dropped_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    failure: Mapped[str]


class KeptSince(Base):
    """Rollups of `grain_s` seconds are whole from this instant on; older ones are gone or going."""

    __tablename__ = "kept_since"

    grain_s: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    since: Mapped[datetime]

"""Reservations, and what each holds of which budget window."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, Numeric, PrimaryKeyConstraint, SmallInteger, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base


class Reservation(Base):
    """A hold on every budget that some calls fall under. `pending`, then `posted`, `void` or `expired`.

    `each_*` bound one call; `posted_*` is what its owner said of calls that were made, `used_*` what spans that name it
    told. `settled_at`: it holds nothing from then on. See `standing`.
    """

    __tablename__ = "reservation"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    each_amount: Mapped[Decimal] = mapped_column(Numeric(38, 12))
    posted_amount: Mapped[Decimal] = mapped_column(Numeric(38, 12))
    used_amount: Mapped[Decimal] = mapped_column(Numeric(38, 12))
    each_tokens: Mapped[int] = mapped_column(BigInteger)
    posted_tokens: Mapped[int] = mapped_column(BigInteger)
    used_tokens: Mapped[int] = mapped_column(BigInteger)
    each_requests: Mapped[int] = mapped_column(BigInteger)
    posted_requests: Mapped[int] = mapped_column(BigInteger)
    used_requests: Mapped[int] = mapped_column(BigInteger)
    calls: Mapped[int] = mapped_column(Integer)
    posted_calls: Mapped[int] = mapped_column(Integer)
    tenant_id: Mapped[int]
    scenario_id: Mapped[int]
    end_user_id: Mapped[int]
    teller_id: Mapped[int]  # the API key that will send the spans: whose budget the calls fall under
    key_id: Mapped[int]  # the API key that made it
    state: Mapped[int] = mapped_column(SmallInteger)  # index into `STATES`
    currency: Mapped[str]
    provider: Mapped[str]
    model: Mapped[str]
    pool: Mapped[str]
    interaction: Mapped[str]
    unbounded: Mapped[str]  # why it holds no money though there is a budget in money whose policy is `open`; '' else
    actor: Mapped[str]
    __table_args__ = (
        # What expires, and what is to be forgotten: both small parts.
        Index("ix_reservation_open", "expires_at", postgresql_where="state = 0"),
        Index("ix_reservation_unsettled", "expires_at", postgresql_where="settled_at IS NULL"),
        Index("ix_reservation_settled", "settled_at", postgresql_where="settled_at IS NOT NULL"),
    )


class ReservationHold(Base):
    """What a reservation holds of one window, in the window's measure. `rate`: the window's money for one of its own."""

    __tablename__ = "reservation_hold"

    reservation_id: Mapped[UUID] = mapped_column(ForeignKey("reservation.id", ondelete="CASCADE"))
    window_id: Mapped[int] = mapped_column(BigInteger)
    measure: Mapped[str]
    rate: Mapped[Decimal] = mapped_column(Numeric(38, 18))
    held: Mapped[Decimal] = mapped_column(Numeric(38, 12))
    __table_args__ = (PrimaryKeyConstraint("reservation_id", "window_id"), Index(None, "window_id"))


STATES = ("pending", "posted", "void", "expired")  # stored as their index

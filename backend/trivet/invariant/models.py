"""What each live check last found."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base


class InvariantCheck(Base):
    """The newest finding on one promise."""

    __tablename__ = "invariant_check"

    promise: Mapped[str] = mapped_column(primary_key=True)
    holds: Mapped[bool]
    detail: Mapped[str]
    checked_at: Mapped[datetime]

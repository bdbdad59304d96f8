"""Usage folded into 10 s, 1 min and 1 h buckets, by end time of the request."""

from datetime import datetime

from sqlalchemy import Index, PrimaryKeyConstraint
from sqlalchemy.orm import Mapped

from trivet.db import Base
from trivet.ingest.models import DIMENSIONS, Dimensions, Measures

GRAINS_S = (10, 60, 3600)


def _keys() -> tuple[PrimaryKeyConstraint, Index]:
    tenant, *others = DIMENSIONS
    return PrimaryKeyConstraint(tenant, "bucket", *others), Index(None, "bucket")


class Rollup10s(Dimensions, Measures, Base):
    __tablename__ = "rollup_10s"

    bucket: Mapped[datetime]
    __table_args__ = _keys()


class Rollup1m(Dimensions, Measures, Base):
    __tablename__ = "rollup_1m"

    bucket: Mapped[datetime]
    __table_args__ = _keys()


class Rollup1h(Dimensions, Measures, Base):
    __tablename__ = "rollup_1h"

    bucket: Mapped[datetime]
    __table_args__ = _keys()


ROLLUPS = {10: Rollup10s, 60: Rollup1m, 3600: Rollup1h}

"""Who pays: tenants, their cost centres by date, and the scenarios their calls belong to."""

from datetime import datetime

from sqlalchemy import ARRAY, ForeignKey, Identity, Text, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base

CRITICALITIES = ("core", "auxiliary", "experimental")


class CostCentre(Base):
    """Finance's account. `owners` are the addresses its statements are mailed to, `code` what finance's own system calls it."""

    __tablename__ = "cost_centre"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    code: Mapped[str] = mapped_column(server_default="")
    owners: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class CostCentreParent(Base):
    """From `effective_from` on, until the next row, this cost centre belongs to that one; to none where it is null."""

    __tablename__ = "cost_centre_parent"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    cost_centre_id: Mapped[int] = mapped_column(ForeignKey("cost_centre.id"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("cost_centre.id"))
    effective_from: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (UniqueConstraint("cost_centre_id", "effective_from"),)


class Tenant(Base):
    """Who a call was for. A tenant first met in a span is kept with `registered_at` empty until somebody maps it."""

    __tablename__ = "tenant"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    registered_at: Mapped[datetime | None]


class TenantCostCentre(Base):
    """From `effective_from` on, until the next row, this tenant is charged to this cost centre."""

    __tablename__ = "tenant_cost_centre"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    cost_centre_id: Mapped[int] = mapped_column(ForeignKey("cost_centre.id"))
    effective_from: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (UniqueConstraint("tenant_id", "effective_from"),)


class Scenario(Base):
    """The product feature a call belongs to. Unregistered ones are kept under their name, at level 0."""

    __tablename__ = "scenario"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    criticality: Mapped[str] = mapped_column(server_default="core")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    registered_at: Mapped[datetime | None]

"""GPUs as the page shows them: how each card is now, what holds it back, and what broke in the last day."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trivet.console import format as say
from trivet.console.tongue import N_, _
from trivet.console.views import GpuRow, Gpus
from trivet.fleet import cards
from trivet.fleet.models import Gpu, Pool
from trivet_collectors import semconv as sc

CARDS_MAX = 48
SEEN_WITHIN = timedelta(days=1)  # a card that was silent for longer is not of this fleet any more
FRESH = timedelta(minutes=2)  # older than that, a card is said to be silent
GIB = 2**30
ID_SHOWN = 12  # characters of a card's id: enough to find it with nvidia-smi
HELD_WORDS = {
    "idle": N_("nothing: idle"), "sw_power_cap": N_("power cap"), "hw_slowdown": N_("hardware slowdown"),
    "sw_thermal": N_("heat"), "hw_thermal": N_("heat, by hardware"), "power_brake": N_("power brake"),
    "application_clocks": N_("clocks set by hand"), "sync_boost": N_("sync boost"), "display_clocks": N_("display"),
}  # fmt: skip


def gpus(session: Session, now: datetime) -> Gpus:
    """Cards seen in the last day, by pool and host, and how many more there are."""
    lately = Gpu.seen_at >= now - SEEN_WITHIN
    query = select(Gpu).outerjoin(Pool, Pool.id == Gpu.pool_id).where(lately)
    found = session.scalars(query.order_by(Pool.name, Gpu.host, Gpu.parent, Gpu.uuid).limit(CARDS_MAX + 1)).all()
    if not found:
        return Gpus((), 0)
    there = len(found) if len(found) <= CARDS_MAX else session.scalar(select(func.count(Gpu.id)).where(lately)) or 0
    shown = found[:CARDS_MAX]
    told = cards.shown(session, shown, now)
    rows = tuple(row(said, card.seen_at, now) for said, card in zip(told, shown, strict=True))
    return Gpus(rows, there - len(rows))


def row(said: Mapping[str, Any], seen_at: datetime | None, now: datetime) -> GpuRow:
    """One card as the API says it, in words."""
    readings = said["readings"]
    day = said["last_day"]
    return GpuRow(
        id=said["uuid"],
        short=short(said["uuid"]),
        name=" · ".join(part for part in (said["model"], said["host"]) if part),
        pool=said["pool"] or "",
        part_of=short(said["parent"]) if said["parent"] else "",
        utilization=say.share(_value(readings, sc.HW_GPU_UTILIZATION)),
        memory=memory(_value(readings, sc.HW_GPU_MEMORY_USAGE), _value(readings, sc.HW_GPU_MEMORY_LIMIT)),
        power=_whole(_value(readings, sc.HW_POWER), "W"),
        held_by=_(", ").join(_words(why) for why in said["throttled_by"]),
        health=health(day["xid"], day["ecc_errors"], said["row_remap"]),
        seen_at=seen_at,
        silent=seen_at is None or now - seen_at > FRESH,
    )


def short(uuid: str) -> str:
    """`GPU-8f1c22ab`: the beginning of a card's id."""
    return uuid if len(uuid) <= ID_SHOWN + 1 else uuid[:ID_SHOWN] + "…"


def memory(used: float | None, installed: float | None) -> str:
    """`61 of 80 GiB`; a dash where nobody read it."""
    if used is None:
        return say.DASH
    if installed is None:
        return f"{used / GIB:.0f} GiB"
    return _("{part} of {whole}", part=f"{used / GIB:.0f}", whole=f"{installed / GIB:.0f} GiB")


def health(xid: Mapping[str, int], ecc: Mapping[str, int], remaps: Sequence[str]) -> str:
    """`2 × XID 79, ECC uncorrected 3, row remapping pending`; empty where nothing was counted."""
    parts = [(f"{say.count(count)} × " if count > 1 else "") + f"XID {code}" for code, count in xid.items()]
    parts += [f"ECC {kind} {say.count(count)}" for kind, count in ecc.items()]
    parts += [_("row remapping {state}", state=state) for state in remaps]
    return _(", ").join(parts)


def _words(why: str) -> str:
    return _(HELD_WORDS[why]) if why in HELD_WORDS else why.replace("_", " ")


def _value(readings: Mapping[str, Any], metric: sc.Metric) -> float | None:
    said = readings.get(metric.name)
    return None if said is None else float(said["value"])


def _whole(value: float | None, unit: str) -> str:
    return say.DASH if value is None else f"{value:,.0f} {unit}"

"""What the page of exports says. Pure."""

from typing import Final

from trivet.console.tongue import N_, _, _n

FILES: Final = {
    "costs.csv": N_("Costs, CSV"), "costs.xlsx": N_("Costs, workbook"), "usage.csv": N_("Usage, CSV"),
    "usage.xlsx": N_("Usage, workbook"), "statement.pdf": N_("Statement of a cost centre, PDF"),
    "allocation.focus.csv": N_("FOCUS, what everybody is charged, CSV"),
    "allocation.parquet": N_("FOCUS, what everybody is charged, Parquet"),
    "supply.focus.csv": N_("FOCUS, what supply costs, CSV"), "supply.parquet": N_("FOCUS, what supply costs, Parquet"),
}  # fmt: skip
GROUPS: Final = {
    "cost_centre": N_("cost centre"), "tenant": N_("tenant"), "scenario": N_("scenario"), "model": N_("model"),
    "pool": N_("pool"), "cost_centre,tenant": N_("cost centre and tenant"), "cost_centre,model": N_("cost centre and model"),
    "tenant,model": N_("tenant and model"), "tenant,scenario": N_("tenant and scenario"),
    "scenario,model": N_("scenario and model"), "provider,model": N_("provider and model"),
}  # fmt: skip
GRAINS: Final = {"": N_("one row for all of it"), "1mo": N_("a row each month"), "1d": N_("a row each day"), "1h": N_("a row each hour")}  # fmt: skip
RHYTHMS: Final = {"day": N_("every day"), "week": N_("every Monday"), "month": N_("every first of a month")}
OWNERS: Final = N_("the owners of each cost centre")
UNHEARD: Final = N_("No mail server is set (smtp_host), so nothing goes out; due files wait as messages.")


def sentence(made: int, under_way: int, schedules: int | None, failed: int) -> str:
    """`3 files were made in this time and 1 is under way. 2 schedules send files by themselves; 1 failed the last time.`"""
    files = _n("{n} file was made in this time", "{n} files were made in this time", made)
    said = _("{files}, {n} under way.", files=files, n=under_way) if under_way else _("{files}.", files=files)
    if schedules is None:
        return said
    if not schedules:
        return _("{files} No schedule sends any by itself.", files=said)
    sends = _n("{n} schedule sends files by itself", "{n} schedules send files by themselves", schedules)
    fails = _n("{n} failed the last time", "{n} failed the last time they ran", failed) if failed else _("none failed the last time")  # fmt: skip
    return _("{files} {schedules}; {failed}.", files=said, schedules=sends, failed=fails)


def rhythm(every: str, at: str, zone: str) -> str:
    """`every Monday, 08:00 Europe/Berlin`."""
    return f"{_(RHYTHMS[every])}, {at} {zone}"


def what(kind: str, form: str, group_by: str, cost_centre: str) -> str:
    """`Costs, CSV · cost centre`."""
    by = GROUPS.get(group_by, group_by)
    of = cost_centre or (_(by) if by else "")
    name = _(FILES.get(f"{kind}.{form}", f"{kind}.{form}"))
    return f"{name} · {of}" if of else name

"""The map in a README is the house: each room of a context, and each module in it, stands in the context's README."""

import re
from pathlib import Path

import pytest
from bench.profile import STAGES
from tests.house.test_imports import IMPURE
from tests.house.tree import ROOT, imports, name, python, text

from trivet import CONTEXTS


def rooms_of(context: Path) -> dict[str, set[str]]:
    """Folders of a context that hold modules, with these."""
    rooms: dict[str, set[str]] = {}
    for path in python(name(context)):
        if len(path.relative_to(context).parts) == 2:
            rooms.setdefault(path.parent.name, set()).add(path.stem)
    return {room: modules - {"__init__"} for room, modules in rooms.items()}


def mapped(readme: str) -> dict[str, set[str]]:
    """Rows `| room | what | modules |` of a README: the modules by room."""
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", readme, flags=re.MULTILINE)
    return {room: set(re.findall(r"`(\w+)`", modules)) for room, modules in rows}


WITH_ROOMS = [c for c in CONTEXTS if rooms_of(ROOT / "backend" / "trivet" / c)]


def test_ingest_has_rooms() -> None:
    assert "ingest" in WITH_ROOMS


@pytest.mark.parametrize("context", WITH_ROOMS)
def test_the_readme_of_a_context_with_rooms_names_each_module_in_its_room(context: str) -> None:
    folder = ROOT / "backend" / "trivet" / context
    assert mapped(text(folder / "README.md")) == rooms_of(folder)


@pytest.mark.parametrize("context", WITH_ROOMS)
def test_what_the_readme_calls_pure_imports_no_session_clock_settings_or_io(context: str) -> None:
    folder = ROOT / "backend" / "trivet" / context
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", text(folder / "README.md"), flags=re.MULTILINE)
    pure = [folder / room / f"{module}.py" for room, modules in rows for module in re.findall(r"`(\w+)`\\\*", modules)]
    assert pure
    within = ("trivet.db", "trivet.settings", "trivet.kit.clock.utc_now")
    found = [found for path in pure for found in imports(path)]
    assert [str(f) for f in found if f.module.split(".")[0] in IMPURE or f.module.startswith(within)] == []


def test_what_the_profile_calls_a_stage_is_there() -> None:
    """A module that moved would leave its time under `other`, which reads like none."""
    ours = [end for ends in STAGES.values() for end in ends if "ingest/" in end or "kit/" in end or "/trivet/" in end]
    paths = [f"/{name(path)}" for path in python("backend/trivet")]
    assert [end for end in ours if not any(end in path for path in paths)] == []

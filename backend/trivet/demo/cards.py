"""The demo's scenarios: their cards, and the bad revision of the story."""

import tomllib
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("data") / "cards"
SUPPORT_CHAT = "support-chat"
# scenario → (the preset it starts from, criticality). All core: they share a backend, and the less critical would give way
# first, for up to a minute, where the story is of one that answers for itself.
SCENARIOS = {
    SUPPORT_CHAT: ("real-time-chat", "core"),
    "code-assistant": ("code-assistant", "core"),
    "doc-search": ("rag", "core"),
}
# What somebody in a hurry to save money might try: the small model, one turn, one sentence, for everyone, always.
BAD_FLAGS = {"model.route": "small", "context.max_turns": 1, "output.max_tokens": 16}


def body(scenario: str) -> dict[str, Any]:
    """The card of a scenario, as JSON values.

    A story of minutes has too few scores to tell a bad revision from luck once a month: its quality floor is a plain one.
    """
    card = tomllib.loads((FOLDER / f"{scenario}.toml").read_text("utf-8"))
    for guard in card["guards"]:
        if guard["metric"] == "quality":
            guard["false_alarms_per_month"] = None
    return card


def bad_body() -> dict[str, Any]:
    """The bad revision: the same card, but for what level 0 does, and no level above gives back what it takes."""
    card = body(SUPPORT_CHAT)
    for step in card["ladder"]:
        step["flags"] |= BAD_FLAGS
    return card | {"flags": BAD_FLAGS}


def timeouts_s() -> dict[str, float]:
    """Each scenario's time limit in seconds, as its card says."""
    return {scenario: body(scenario)["latency"]["timeout_ms"] / 1000 for scenario in SCENARIOS}

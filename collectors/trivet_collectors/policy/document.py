"""Whether a policy document can be relied on, checked once when it arrives, so that evaluation need not ask again."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from trivet_collectors.policy.evaluate import DEFAULTS

SCENARIOS_MAX: Final = 10_000
TENANTS_MAX: Final = 100_000  # overrides in one scenario
ARMS_MAX: Final = 8
AUDIENCES_MAX: Final = 100


class DocumentRefusedError(ValueError):
    """The document cannot be relied on; the message says where and why. The state held before stays."""


def checked(value: Any, backend: str) -> dict[str, Any]:
    """`value` itself when it is a policy document for `backend`, else DocumentRefusedError."""
    document = _mapping(value, "document", limit=None)
    _require(document.get("backend", backend) == backend, "document is for another backend")
    _instant(document.get("valid_until"), "valid_until")
    for name, scenario in _mapping(document.get("scenarios", {}), "scenarios", SCENARIOS_MAX).items():
        where = f"scenarios.{name}"
        _check_desired(scenario, where)
        for part in ("generation", "revision"):
            _require(_is_count(scenario.get(part, 0)), f"{where}.{part} is not a count")
        if scenario.get("fallback") is not None:
            _check_state(scenario["fallback"], f"{where}.fallback")
        for number, arm in enumerate(_list(scenario.get("arms", []), f"{where}.arms", ARMS_MAX)):
            _check_state(arm, f"{where}.arms.{number}")
            _require(_is_share(arm.get("share")), f"{where}.arms.{number}.share is not between 0 and 1")
            _require(isinstance(arm.get("salt"), str), f"{where}.arms.{number}.salt is not a text")
            _require(_is_count(arm.get("revision", 0)), f"{where}.arms.{number}.revision is not a count")
        for tenant, override in _mapping(scenario.get("tenants", {}), f"{where}.tenants", TENANTS_MAX).items():
            _check_desired(override, f"{where}.tenants.{tenant}")
    return document


def is_instant(value: Any) -> bool:
    """Whether `value` is an RFC 3339 instant with an offset. A local time would compare with nothing."""
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _check_desired(value: Any, where: str) -> None:
    _check_state(value, where)
    _instant(value.get("until"), f"{where}.until")
    if value.get("then") is not None:
        _check_state(value["then"], f"{where}.then")


def _check_state(value: Any, where: str) -> None:
    state = _mapping(value, where, limit=None)
    _require(_is_count(state.get("level", 0)), f"{where}.level is not a count")
    _check_flags(state.get("flags", {}), where)
    for key, share in _mapping(state.get("shares", {}), f"{where}.shares", limit=None).items():
        _require(_is_share(share), f"{where}.shares.{key} is not between 0 and 1")
    for number, audience in enumerate(_list(state.get("audiences", []), f"{where}.audiences", AUDIENCES_MAX)):
        of = f"{where}.audiences.{number}"
        _check_flags(_mapping(audience, of, limit=None).get("flags", {}), of)
        for part in ("tenants", "tiers"):
            names = _list(audience.get(part, []), f"{of}.{part}", TENANTS_MAX)
            _require(all(isinstance(name, str) for name in names), f"{of}.{part} are not texts")


def _check_flags(value: Any, where: str) -> None:
    for key, said in _mapping(value, f"{where}.flags", limit=None).items():
        # A flag that we do not know is a newer server's; it is passed on as it came.
        _require(key not in DEFAULTS or _same_type(said, DEFAULTS[key]), f"{where}.flags: {key} has the wrong type")


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _list(value: Any, where: str, limit: int) -> list[Any]:
    _require(isinstance(value, list | tuple), f"{where} is not a list")
    found: list[Any] = value
    _require(len(found) <= limit, f"{where} has more than {limit} items")
    return found


def _same_type(said: Any, default: Any) -> bool:
    # JSON does not tell 5 from 5.0; Python takes True for an int.
    if isinstance(default, float):
        return isinstance(said, int | float) and not isinstance(said, bool)
    return type(said) is type(default)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _mapping(value: Any, where: str, limit: int | None) -> dict[str, Any]:
    _require(isinstance(value, dict), f"{where} is not an object")
    found: dict[str, Any] = value
    _require(limit is None or len(found) <= limit, f"{where} has more than {limit} items")
    return found


def _instant(value: Any, where: str) -> None:
    _require(value is None or is_instant(value), f"{where} is not an RFC 3339 instant")


def _require(holds: bool, complaint: str) -> None:
    if not holds:
        raise DocumentRefusedError(complaint)


def went_back(held: Mapping[str, Any], said: Mapping[str, Any]) -> list[str]:
    """The scenarios whose generation is lower in `said` than in `held`: a server restored from a backup, for one."""
    before, after = held.get("scenarios", {}), said.get("scenarios", {})
    return sorted(n for n in after if n in before and after[n].get("generation", 0) < before[n].get("generation", 0))

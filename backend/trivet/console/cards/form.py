"""A card as the texts of a form, and back. Pure: the form is the whole state, and what was typed is never lost.

`Values` are texts by path, as browsers send them: `guards.0.enter`, `ladder.1.flags.tools.mode`. What the form has no field
for travels along in `carried`, unchanged, and is named.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from trivet.card.terms import LEVEL_MAX
from trivet.console.cards.form_fields import AUDIENCE, FLAGS, GUARD, LEVEL, LINE, SECTIONS, Field
from trivet_collectors.policy.evaluate import DEFAULTS

Values = dict[str, str]
GUARDS_MAX, LINES_MAX, AUDIENCES_MAX = 32, 8, 20
TEXT_MAX = 20_000
NEW_GUARD = {"name": "", "metric": "p95_latency_ms", "enter": "1500", "leave": "1200", "window_s": "60", "minimum_sample": "20", "for_s": "0", "raises_to": "0", "false_alarms_per_month": "1"}  # fmt: skip
NEW_LEVEL = {"name": "", "min_stay_s": "30", "recover_after_s": "60", "way_back": "recovered", "probe.shares": "5, 20, 50", "probe.step_s": "20"}  # fmt: skip


def values_of(body: Mapping[str, Any]) -> Values:
    """A card, or what is to become one, as the texts of its form."""
    found = values_only(body)
    for number, level in enumerate(_list(body.get("ladder"))):
        found |= {f"ladder.{number}.shares.{flag}": _text(100 * share) for flag, share in level.get("shares", {}).items()}  # fmt: skip
        for each, audience in enumerate(_list(level.get("audiences"))):
            found |= _texts(AUDIENCE, audience, f"ladder.{number}.audiences.{each}.")
    rest = dict(_unshown(body))
    return found | ({"carried": json.dumps(rest, ensure_ascii=False)} if rest else {})


def body_of(values: Mapping[str, str]) -> dict[str, Any]:
    """What a form says, as a card's JSON values; a number that is none stays the text it is, for the check to name."""
    body: dict[str, Any] = {}
    for _, _, fields in SECTIONS:
        for field in fields:
            _set(body, field.path, _value(field, values.get(field.path, "")))
    body["gives_way"] = [leg for leg in body["gives_way"].values() if leg]
    body["cost"]["stop_loss"] = [_part(LINE, values, f"cost.stop_loss.{n}.") for n in numbers(values, "cost.stop_loss")]
    body["guards"] = [_guard(values, f"guards.{n}.") for n in numbers(values, "guards")]
    body["flags"] = _flags_of(values, "flags.")
    body["ladder"] = [_level(values, n, place) for place, n in enumerate(numbers(values, "ladder"))]
    for path, value in carried(values).items():
        _put_back(body, path, value)
    return body


def carried(values: Mapping[str, str]) -> dict[str, Any]:
    """What the form has no field for, by path."""
    try:
        found = json.loads(values.get("carried") or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def numbers(values: Mapping[str, str], prefix: str) -> list[int]:
    """The places of a list that a form has, in order."""
    found = (re.match(rf"{re.escape(prefix)}\.(\d{{1,4}})\.", name) for name in values)
    return sorted({int(match[1]) for match in found if match})


def flags_set(values: Mapping[str, str], prefix: str) -> list[str]:
    """The actions that a form names under a prefix, in the order in which cards list them."""
    return [flag for flag in FLAGS if f"{prefix}{flag}" in values]


def changed(values: Values, act: str) -> Values:
    """The form after a button: `add-guard`, `remove-guard.2`, `add-action.ladder.0`, `remove-action.ladder.0.flags.tools.mode`."""
    verb, _, where = act.partition(".")
    done = _ACTS.get(verb)
    return done(dict(values), where) if done else dict(values)


def get(body: Any, path: str) -> Any:
    """A part of JSON values by its path, None where there is none."""
    for part in path.split("."):
        body = body.get(part) if isinstance(body, Mapping) else None
    return body


def _add(prefix: str, new: Mapping[str, str], most: int) -> Callable[[Values, str], Values]:
    def add(values: Values, _: str) -> Values:
        there = numbers(values, prefix)
        at = max(there, default=-1) + 1
        return values | ({f"{prefix}.{at}.{name}": text for name, text in new.items()} if len(there) < most else {})

    return add


def _remove(prefix: str) -> Callable[[Values, str], Values]:
    return lambda values, at: {n: text for n, text in values.items() if not n.startswith(f"{prefix}.{at}.")}


def _add_action(values: Values, where: str) -> Values:
    """`where`: "" for level 0, `ladder.1` for a level; which action stands in the choice beside the button."""
    prefix = f"{where}." if where else ""
    flag = values.get(f"{prefix}add", "")
    if flag not in FLAGS or not re.fullmatch(r"(ladder\.\d+)?", where):
        return values
    default = DEFAULTS[flag]
    return {f"{prefix}flags.{flag}": str(default).lower() if isinstance(default, bool) else _text(default)} | values


def _remove_action(values: Values, where: str) -> Values:
    share = where.replace(".flags.", ".shares.", 1)
    return {name: text for name, text in values.items() if name not in {where, share}}


def _add_audience(values: Values, where: str) -> Values:
    return _add(f"ladder.{where}.audiences", {"tiers": "", "tenants": "", "flags": ""}, AUDIENCES_MAX)(values, "")


def _remove_audience(values: Values, where: str) -> Values:
    level, _, at = where.partition(".")
    return _remove(f"ladder.{level}.audiences")(values, at)


_ACTS: Mapping[str, Callable[[Values, str], Values]] = {
    "add-guard": _add("guards", NEW_GUARD, GUARDS_MAX), "remove-guard": _remove("guards"),
    "add-level": _add("ladder", NEW_LEVEL, LEVEL_MAX), "remove-level": _remove("ladder"),
    "add-line": _add("cost.stop_loss", {"per": "hour", "amount": "", "guard": ""}, LINES_MAX),
    "remove-line": _remove("cost.stop_loss"),
    "add-action": _add_action, "remove-action": _remove_action,
    "add-audience": _add_audience, "remove-audience": _remove_audience,
}  # fmt: skip


def _texts(fields: Sequence[Field], part: Any, prefix: str) -> Values:
    return {prefix + field.path: _shown(field, _of(part, field.path)) for field in fields}


def _of(part: Any, path: str) -> Any:
    head, _, at = path.rpartition(".")
    if at.isdecimal():  # of a list
        items = _list(get(part, head))
        return items[int(at)] if int(at) < len(items) else None
    return get(part, path)


def _shown(field: Field, value: Any) -> str:
    if value is None:
        return ""
    if field.kind in ("lines", "names"):
        return ("\n" if field.kind == "lines" else ", ").join(map(str, _list(value)))
    if field.kind == "shares":
        return ", ".join(_text(100 * share) for share in _list(value))
    if field.kind == "flags":
        return "\n".join(f"{flag}: {_text(each)}" for flag, each in value.items())
    if field.kind == "check":
        return "true" if value else ""
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{round(value, 12):.12g}" if isinstance(value, float) else str(value)


def _flags(flags: Any, prefix: str) -> Values:
    return {f"{prefix}{flag}": _text(value) for flag, value in (flags or {}).items() if flag in FLAGS}


def _value(field: Field, text: str) -> Any:
    """One field's text as a JSON value."""
    text = text.strip()[:TEXT_MAX]
    if field.kind == "check":
        return text == "true"
    if field.kind == "lines":
        return [line.strip() for line in text.splitlines() if line.strip()]
    if field.kind == "names":
        return [part.strip() for part in re.split(r"[,\n]", text) if part.strip()]
    if field.kind == "shares":
        return [_share(part.strip().rstrip("%").strip()) for part in text.split(",") if part.strip()]
    if field.kind == "flags":
        return dict(_flag_line(line) for line in text.splitlines() if line.strip())
    if not text and field.optional:
        return None
    return number(text) if field.kind in ("number", "level") else text


def number(text: str) -> int | float | str:
    """`12` and `1.5` as numbers; anything else as it was typed."""
    if re.fullmatch(r"-?\d{1,15}", text):
        return int(text)
    try:
        found = float(text)
    except ValueError:
        return text
    return found if math.isfinite(found) else text


def _share(text: str) -> Any:
    found = number(text)
    return found if isinstance(found, str) else round(found / 100, 12)


def _flag_line(line: str) -> tuple[str, Any]:
    flag, _, text = line.partition(":")
    return flag.strip(), _flag(flag.strip(), text.strip())


def _flag(flag: str, text: str) -> Any:
    default = DEFAULTS.get(flag, "")
    if isinstance(default, bool):
        return {"true": True, "false": False}.get(text, text)
    return text if isinstance(default, str) else number(text)


def _part(fields: Sequence[Field], values: Mapping[str, str], prefix: str) -> dict[str, Any]:
    part: dict[str, Any] = {}
    for field in fields:
        _set(part, field.path, _value(field, values.get(prefix + field.path, "")))
    return part


def _guard(values: Mapping[str, str], prefix: str) -> dict[str, Any]:
    guard = _part(GUARD, values, prefix)
    if guard["burn"]["objective"] is None:
        guard["burn"] = None
    return guard


def _level(values: Mapping[str, str], number_: int, place: int) -> dict[str, Any]:
    prefix = f"ladder.{number_}."
    flags = _flags_of(values, f"{prefix}flags.")
    shares = {flag: _share(text) for flag in flags if (text := values.get(f"{prefix}shares.{flag}", "").strip())}
    audiences = [_part(AUDIENCE, values, f"{prefix}audiences.{n}.") for n in numbers(values, f"{prefix}audiences")]
    level = {"level": place + 1, "flags": flags, "audiences": audiences}
    return _part(LEVEL, values, prefix) | level | {"shares": {f: s for f, s in shares.items() if s != 1}}


def _flags_of(values: Mapping[str, str], prefix: str) -> dict[str, Any]:
    return {flag: _flag(flag, values[f"{prefix}{flag}"].strip()) for flag in flags_set(values, prefix)}


def _set(body: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for part in parents:
        body = body.setdefault(part, {})
    body[last] = value


def _put_back(body: Any, path: str, value: Any) -> None:
    """What was carried, where the part that it belongs to is still there."""
    *parents, last = path.split("/")
    for part in parents:
        if isinstance(body, list) and part.isdecimal() and int(part) < len(body):
            body = body[int(part)]
        elif isinstance(body, dict) and part in body:
            body = body[part]
        else:
            return
    if isinstance(body, dict):
        body.setdefault(last, value)


def _unshown(body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """(path with `/`, value) of what no field shows."""
    shown = body_of(values_only(body))
    yield from _missing(body, shown, "")


def _missing(body: Any, shown: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(body, Mapping) and isinstance(shown, Mapping):
        for name, value in body.items():
            at = f"{path}/{name}" if path else name
            if name in shown:
                yield from _missing(value, shown[name], at)
            elif value not in (None, [], {}) and not path.endswith("shares"):
                yield at, value
    elif isinstance(body, list) and isinstance(shown, list):
        for number_, (one, other) in enumerate(zip(body, shown, strict=False)):
            yield from _missing(one, other, f"{path}/{number_}")


def values_only(body: Mapping[str, Any]) -> Values:
    """The fields alone, without what is carried."""
    found: Values = {}
    for _, _, fields in SECTIONS:
        found |= _texts(fields, body, "")
    for prefix, fields in (("cost.stop_loss", LINE), ("guards", GUARD), ("ladder", LEVEL)):
        for number_, part in enumerate(_list(get(body, prefix))):
            found |= _texts(fields, part, f"{prefix}.{number_}.")
    found |= _flags(body.get("flags"), "flags.")
    for number_, level in enumerate(_list(body.get("ladder"))):
        found |= _flags(level.get("flags"), f"ladder.{number_}.flags.")
    return found


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []

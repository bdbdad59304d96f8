"""A form's texts and its problems as what the page shows: fields, rules in sentences, levels. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trivet.card import sentences
from trivet.card.content import Card
from trivet.card.problems import Problem, guard_of, level_of
from trivet.console.cards import form
from trivet.console.cards.editor_views import (
    ActionsView,
    ActionView,
    FieldView,
    GuardView,
    LevelView,
    LineView,
    SectionView,
)
from trivet.console.cards.form_fields import (
    AUDIENCE,
    CHOICE_WORDS,
    FLAG_CHOICES,
    FLAGS,
    GUARD,
    LEVEL,
    LINE,
    SECTIONS,
    USUAL,
    Field,
)
from trivet.console.tongue import N_, _
from trivet.console.views import Choice
from trivet_collectors.policy.evaluate import DEFAULTS

# Which paragraph of the card in sentences stands under which heading: its first sentence, and up to which.
SAYS = {"priority": 0, "back": 3}
STREWN = N_("{words} ({field})")


class Parts:
    """Everything of the form that is shown; `left` are problems that have no field here."""

    def __init__(
        self, values: form.Values, body: Mapping[str, Any], card: Card | None, problems: Sequence[Problem]
    ) -> None:
        self.values, self.body, self.card = values, body, card
        self.problems: dict[str, list[str]] = {}
        for field, words in problems:
            self.problems.setdefault(_placed(field, values), []).append(words)
        self.told: set[str] = set()
        self.paragraphs = sentences.paragraphs(card, _) if card else []

    def sections(self) -> tuple[SectionView, ...]:
        """The fields that are not in lists."""
        return tuple(
            SectionView(key, _(title), self.fields(fields), self._said(key)) for key, title, fields in SECTIONS
        )

    def _said(self, key: str) -> tuple[str, ...]:
        at = SAYS.get(key)
        if at is None or not self.paragraphs:
            return ()
        return self.paragraphs[at].sentences if key == "back" else self.paragraphs[at].sentences[:1]

    def lines(self) -> tuple[LineView, ...]:
        """The stop-loss lines."""
        return tuple(
            LineView(n, self.fields(LINE, f"cost.stop_loss.{n}.")) for n in form.numbers(self.values, "cost.stop_loss")
        )

    def guards(self) -> tuple[GuardView, ...]:
        """The guards, each with its rule."""
        return tuple(self._guard(n, place) for place, n in enumerate(form.numbers(self.values, "guards")))

    def _guard(self, number: int, place: int) -> GuardView:
        part = self.body["guards"][place]
        guard, prefix = guard_of(part), f"guards.{number}."
        said = ""
        if guard is not None:
            steps = self.body["ladder"]
            step = level_of(steps[guard.raises_to - 1]) if 0 < guard.raises_to <= len(steps) else None
            if step is not None or guard.raises_to == 0:
                said = sentences.rule(guard, str(form.get(self.body, "cost.currency") or ""), step, _)
        seldom = self.fields(GUARD[USUAL:], prefix)
        opened = any(each.problem or (each.value and each.name.endswith(("objective", "webhook"))) for each in seldom)
        return GuardView(
            number, self.values.get(f"{prefix}name", "") or _("New guard"), self.fields(GUARD[:USUAL], prefix), seldom,
            opened, said, self._take(f"guards.{number}", f"guards.{number}.burn"),
        )  # fmt: skip

    def base(self) -> ActionsView:
        """What level 0 does."""
        return self._actions("")

    def levels(self) -> tuple[LevelView, ...]:
        """The ladder."""
        return tuple(self._level(n, place) for place, n in enumerate(form.numbers(self.values, "ladder")))

    def _level(self, number: int, place: int) -> LevelView:
        prefix = f"ladder.{number}"
        step = level_of(self.body["ladder"][place])
        audiences = tuple(
            LineView(n, self.fields(AUDIENCE, f"{prefix}.audiences.{n}."))
            for n in form.numbers(self.values, f"{prefix}.audiences")
        )
        return LevelView(
            number, place + 1, self.values.get(f"{prefix}.name", ""), self.fields(LEVEL, f"{prefix}."),
            self._actions(prefix), audiences, sentences.level_sentence(step, _) if step else "", self._take(prefix),
        )  # fmt: skip

    def _actions(self, where: str) -> ActionsView:
        prefix = f"{where}." if where else ""
        there = form.flags_set(self.values, f"{prefix}flags.")
        rows = tuple(self._action(prefix, flag, shared=bool(where)) for flag in there)
        offered = tuple(flag for flag in FLAGS if flag not in there)
        return ActionsView(where, rows, offered, self._take(f"{prefix}flags"))

    def _action(self, prefix: str, flag: str, *, shared: bool) -> ActionView:
        kind = "choice" if FLAG_CHOICES[flag] else "text" if isinstance(DEFAULTS[flag], str) else "number"
        of = Field(f"flags.{flag}", flag, kind, choices=FLAG_CHOICES[flag])
        share = self.field(Field(f"shares.{flag}", N_("Of conversations"), unit="%"), prefix) if shared else None
        return ActionView(flag, self.field(of, prefix), share)

    def elsewhere(self) -> tuple[str, ...]:
        """Problems whose field the form does not have. Ask last."""
        return tuple(
            _(STREWN, words=words, field=field) if field else words
            for field, found in self.problems.items()
            if field not in self.told
            for words in found
        )

    def fields(self, fields: Iterable[Field], prefix: str = "") -> tuple[FieldView, ...]:
        return tuple(self.field(field, prefix) for field in fields)

    def field(self, field: Field, prefix: str) -> FieldView:
        name = prefix + field.path
        value = self.values.get(name, "")
        return FieldView(
            name, _(field.label), field.kind, value, field.unit, _choices(field, value),
            self._take(name, *_deeper(name, self.problems)), field.wide,
        )  # fmt: skip

    def _take(self, *fields: str) -> str:
        self.told.update(fields)
        return "; ".join(words for field in fields for words in self.problems.get(field, ()))


def _deeper(name: str, problems: Mapping[str, Any]) -> list[str]:
    """Problems with one of a list: `ladder.0.probe.shares.2` stands beside the shares."""
    return [field for field in problems if field.startswith(f"{name}.")] if not name.endswith("flags") else []


def _placed(field: str, values: form.Values) -> str:
    """A place in the card's list as its number in the form, which may have gaps where something was taken away."""
    head, _dot, rest = field.partition(".")
    prefix = "cost.stop_loss" if field.startswith("cost.stop_loss.") else head
    place, _dot, rest = field.removeprefix(f"{prefix}.").partition(".")
    if prefix not in {"guards", "ladder", "cost.stop_loss"} or not place.isdecimal():
        return field
    there = form.numbers(values, prefix)
    number = there[int(place)] if int(place) < len(there) else place
    return f"{prefix}.{number}.{rest}" if rest else f"{prefix}.{number}"


def _choices(field: Field, value: str) -> tuple[Choice, ...]:
    offered = (("",) if field.optional else ()) + field.choices
    if field.kind not in ("choice", "level"):
        return ()
    offered = offered if value in offered else (*offered, value)  # what was typed elsewhere stays
    return tuple(Choice(each, _words(each), "", each == value) for each in offered)


def _words(choice: str) -> str:
    if choice in CHOICE_WORDS:
        return _(CHOICE_WORDS[choice])
    if choice in sentences.METRICS:
        return _("{metric} ({key})", metric=_(sentences.METRICS[choice][0]), key=choice)
    return choice

"""Which model a name on a bill is: the same name, else a guess by rules that are told. Pure.

Bills write `gpt-4o-2024-08-06`, `Claude Sonnet 4.5`, `Claude4.6Sonnet`, `gpt 4o 0806` or `models/gemini-2.5-pro`; spans
write what the API took. A guess is made only where one model fits and no other.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

SAME = "the same name"
_LEAD = re.compile(
    r"^(?:(?:us|eu|apac|au|jp|ca|global|us-gov)\.|[a-z]{2}(?:-gov)?-[a-z]+-\d/|(?:models|publishers/[a-z]+/models)/"
    r"|(?:openai|anthropic|azure|azure_ai|bedrock|bedrock_converse|vertex_ai|gemini|google|meta|mistral|amazon|cohere)[./])",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"(?:[-@ ](?:20\d\d-\d\d-\d\d|20\d{6}|\d{4}))?(?:-v\d+(?::\d+)?)?(?:-\d{3}|-latest)?$", re.IGNORECASE
)
_PIECES = re.compile(r"[a-z]+|\d+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Guess:
    """A model's id, and the rule it was found by."""

    model_id: int
    rule: str


def _folded(name: str) -> str:
    return "-".join(_PIECES.findall(name.lower()))


def _bare(name: str) -> str:
    """Without provider and region before it, so far as there are any."""
    while (shorter := _LEAD.sub("", name, count=1)) != name:
        name = shorter
    return name


def _undated(name: str) -> str:
    return _folded(_DATE.sub("", _bare(name)))


def _words(name: str) -> str:
    return " ".join(sorted(_PIECES.findall(_DATE.sub("", _bare(name)).lower())))


RULES: tuple[tuple[str, Callable[[str], str]], ...] = (
    (SAME, str),
    ("the same but for case and signs", _folded),
    ("the same without provider and region before it", lambda name: _folded(_bare(name))),
    ("the same without provider, region and date or version", _undated),
    ("the same words in another order, without date or version", _words),
)


def guess(name: str, models: Mapping[str, int]) -> Guess | None:
    """The one model, by its name in spans, that a name on a bill is; None where none fits, or several do."""
    for rule, form in RULES:
        wanted = form(name)
        found = {model_id for known, model_id in models.items() if form(known) == wanted} if wanted else set()
        if len(found) == 1:
            return Guess(found.pop(), rule)
        if found:
            return None
    return None

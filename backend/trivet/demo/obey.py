"""What a policy makes of a call. Pure: flags and the call in, what will be done and why out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trivet.demo.model import MODELS, ROUTES
from trivet_collectors.policy.evaluate import FlagValue

Flags = Mapping[str, FlagValue]

OUTPUT_TOKENS_DEFAULT = 128  # a call that names no limit
# What tools and features put into a prompt, as shares of it. What is turned off is not sent.
TOOLS_SHARE = {"all": 0.0, "local": 0.08, "off": 0.20}
FEATURE_SHARE = 0.05
FEATURES_SHARE_MAX = 0.20
RETRIEVAL_DEPTH_FULL = 20  # passages a call brings; fewer make up to this share of it go
RETRIEVAL_SHARE = 0.40


@dataclass(frozen=True)
class Asked:
    """A call as it came. `turns` are the tokens of its messages, oldest first, each turn one number."""

    model: str
    turns: tuple[int, ...]
    max_tokens: int | None
    reasoning_share: float = 0.0

    @property
    def input_tokens(self) -> int:
        return sum(self.turns)

    @property
    def output_tokens(self) -> int:
        """The simulated model fills the limit it is given: so a trace's counts arrive as recorded."""
        return self.max_tokens or OUTPUT_TOKENS_DEFAULT


@dataclass(frozen=True)
class Plan:
    """What will be done. `shortened`: the policy cut the answer."""

    model: str
    input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    shortened: bool
    context_kept: float
    output_kept: float


def plan(asked: Asked, flags: Flags) -> Plan:
    """The call as the policy wants it. With the default flags it is the call as asked."""
    input_tokens = _context(asked.turns, flags)
    output_tokens = _limited(asked.output_tokens, int(flags["output.max_tokens"]))
    return Plan(
        model=ROUTES.get(str(flags["model.route"]), asked.model if asked.model in MODELS else ROUTES["large"]),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        reasoning_tokens=int(output_tokens * asked.reasoning_share),
        shortened=output_tokens < asked.output_tokens,
        context_kept=input_tokens / max(1, asked.input_tokens),
        output_kept=output_tokens / max(1, asked.output_tokens),
    )


def _context(turns: Sequence[int], flags: Flags) -> int:
    kept = turns[-int(flags["context.max_turns"]) :]  # [-0:] is all of them
    tokens = _limited(sum(kept), int(flags["context.max_tokens"]))
    return max(1, round(tokens * (1 - _dropped_share(flags)))) if tokens else 0


def _limited(tokens: int, limit: int) -> int:
    return min(tokens, limit) if limit > 0 else tokens


def _dropped_share(flags: Flags) -> float:
    """Share of the prompt that is not sent. The parts multiply, so it stays below 1."""
    features = [name for name in str(flags["features.off"]).split(",") if name.strip()]
    parts = (
        TOOLS_SHARE.get(str(flags["tools.mode"]), 0.0),
        min(FEATURES_SHARE_MAX, FEATURE_SHARE * len(features)),
        _retrieval_dropped(int(flags["retrieval.depth"])),
    )
    kept = 1.0
    for part in parts:
        kept *= 1 - part
    return 1 - kept


def _retrieval_dropped(depth: int) -> float:
    return RETRIEVAL_SHARE * (1 - min(depth, RETRIEVAL_DEPTH_FULL) / RETRIEVAL_DEPTH_FULL) if depth > 0 else 0.0

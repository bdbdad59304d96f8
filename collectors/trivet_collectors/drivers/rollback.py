"""Which template a workload had before: Deployments and Rollouts both keep it in older ReplicaSets. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from trivet_collectors.drivers.driver import DriverError

Object = Mapping[str, Any]
HASHES: Final = ("pod-template-hash", "rollouts-pod-template-hash")


def annotation(thing: Object, name: str) -> str:
    return str((thing["metadata"].get("annotations") or {}).get(name, ""))


def previous_template(workload: Object, sets: Iterable[Object], revision_key: str) -> tuple[int, dict[str, Any]]:
    """(revision, pod template) of the newest ReplicaSet of `workload` that is older than its present one.

    `revision_key` is the annotation that numbers them. DriverError where there is none to go back to.
    """
    own = workload["metadata"]["uid"]
    now = _number(annotation(workload, revision_key))
    older = [
        (_number(annotation(each, revision_key)), each)
        for each in sets
        if any(owner.get("uid") == own for owner in each["metadata"].get("ownerReferences") or ())
    ]
    older = [(number, each) for number, each in older if 0 < number < now]
    if not older:
        raise DriverError(f"{workload['metadata']['name']}: no older revision than {now} is kept to go back to")
    number, found = max(older, key=lambda each: each[0])
    return number, _without_hashes(found["spec"]["template"])


def selector_of(workload: Object) -> str:
    """The labels by which a workload's ReplicaSets are found; those with expressions are found by their owner alone."""
    labels: Mapping[str, str] = workload["spec"]["selector"].get("matchLabels") or {}
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _without_hashes(template: Object) -> dict[str, Any]:
    metadata = dict(template.get("metadata") or {})
    metadata["labels"] = {k: v for k, v in (metadata.get("labels") or {}).items() if k not in HASHES}
    return {**template, "metadata": metadata}

"""Kubernetes Deployments: how many replicas, and back to the revision before.

Desired: `replicas` a number, or "before", what it was when a number was first wanted; `undo` true, one revision back.

What was before is kept in annotations of the Deployment, so a driver that is restarted, or runs twice, does not go back twice
and does not forget. An autoscaler overwrites `replicas`: where there is one, scale on Trivet's metric instead (deploy/keda).
"""

from typing import Any, Final

from trivet_collectors.drivers.cluster import Cluster
from trivet_collectors.drivers.driver import Applied, Desired, DriverError
from trivet_collectors.drivers.rollback import annotation, previous_template, selector_of

KEYS: Final = frozenset({"replicas", "undo"})
REVISION: Final = "deployment.kubernetes.io/revision"
BEFORE: Final = "trivet.dev/replicas-before"
UNDONE: Final = "trivet.dev/undone-from"
REPLICAS_MAX: Final = 10_000


class Deployment:
    """One Deployment, `name` in `namespace`."""

    def __init__(self, cluster: Cluster, namespace: str, name: str) -> None:
        self._cluster, self._name = cluster, name
        self._group = f"/apis/apps/v1/namespaces/{namespace}"
        self._path = f"{self._group}/deployments/{name}"

    def apply(self, desired: Desired, *, dry: bool = False) -> Applied:
        found = self._cluster.get(self._path)
        done: list[str] = []
        if "replicas" in desired:
            done += self._scale(found, desired["replicas"], dry=dry)
        if "undo" in desired:
            done += self._undo(found, bool(desired["undo"]), dry=dry)
        return Applied(bool(done), ", ".join(done) or "as wanted")

    def close(self) -> None:
        self._cluster.close()

    def _scale(self, found: Any, wanted: Any, *, dry: bool) -> list[str]:
        now, before = found["spec"].get("replicas", 1), annotation(found, BEFORE)
        if wanted == "before":
            if not before:
                return []
            if not dry:
                self._set_replicas(int(before))
                self._note(BEFORE, None)  # last: a driver that ends in between does it again
            return [f"scaled back from {now} to {before}"]
        if type(wanted) is not int or not 0 <= wanted <= REPLICAS_MAX:
            raise DriverError(f'replicas: {wanted!r} must be a number from 0 to {REPLICAS_MAX}, or "before"')
        if now == wanted:
            return []
        if not dry:
            if not before:
                self._note(BEFORE, str(now))  # first: nothing is changed that could not be changed back
            self._set_replicas(wanted)
        return [f"scaled from {now} to {wanted}"]

    def _set_replicas(self, count: int) -> None:
        self._cluster.merge(f"{self._path}/scale", {"spec": {"replicas": count}})

    def _undo(self, found: Any, wanted: bool, *, dry: bool) -> list[str]:
        undone, now = annotation(found, UNDONE), annotation(found, REVISION)
        if not wanted:
            if undone and not dry:
                self._note(UNDONE, None)
            return []  # the way forward is a deployment's, not ours
        if undone:
            return []
        if found["spec"].get("paused"):
            raise DriverError(f"{self._name}: it is paused, so it cannot go back: resume it first")
        sets = self._cluster.get(f"{self._group}/replicasets", labelSelector=selector_of(found))["items"]
        revision, template = previous_template(found, sets, REVISION)
        if not dry:
            self._cluster.replace(
                self._path,
                [
                    {"op": "test", "path": "/metadata/resourceVersion", "value": found["metadata"]["resourceVersion"]},
                    {"op": "replace", "path": "/spec/template", "value": template},
                    {"op": "add", "path": "/metadata/annotations/trivet.dev~1undone-from", "value": now},
                ],
            )
        return [f"went back from revision {now} to {revision}"]

    def _note(self, name: str, value: str | None) -> None:
        self._cluster.merge(self._path, {"metadata": {"annotations": {name: value}}})

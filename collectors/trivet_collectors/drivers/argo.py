"""Argo Rollouts: abort a rollout, go back to the revision before, pause, promote.

Desired: `abort` true; `undo` true, one revision back (an aborted rollout still holds the new template, which a retry would
deploy again); `paused` true or false; `promote` true, or "full" past all steps.

The patches are those of the plugin `kubectl argo rollouts`.
"""

from typing import Any, Final

from trivet_collectors.drivers.cluster import Cluster
from trivet_collectors.drivers.driver import Applied, Desired, DriverError
from trivet_collectors.drivers.rollback import annotation, previous_template, selector_of

KEYS: Final = frozenset({"abort", "undo", "paused", "promote"})
REVISION: Final = "rollout.argoproj.io/revision"
UNDONE: Final = "trivet.dev/undone-from"


class Rollout:
    """One Rollout, `name` in `namespace`."""

    def __init__(self, cluster: Cluster, namespace: str, name: str) -> None:
        self._cluster, self._name, self._namespace = cluster, name, namespace
        self._path = f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/rollouts/{name}"

    def apply(self, desired: Desired, *, dry: bool = False) -> Applied:
        found = self._cluster.get(self._path)
        done: list[str] = []
        if desired.get("abort") and not self._status(found).get("abort") and self._moves(found):
            done += self._say({"abort": True}, "aborted", dry=dry)
        if "undo" in desired:
            done += self._undo(found, bool(desired["undo"]), dry=dry)
        if "paused" in desired and bool(found["spec"].get("paused")) != bool(desired["paused"]):
            done += self._pause(bool(desired["paused"]), dry=dry)
        if desired.get("promote"):
            done += self._promote(found, full=desired["promote"] == "full", dry=dry)
        return Applied(bool(done), ", ".join(done) or "as wanted")

    def close(self) -> None:
        self._cluster.close()

    def _status(self, found: Any) -> dict[str, Any]:
        return found.get("status") or {}

    def _moves(self, found: Any) -> bool:
        """Whether there is a rollout to abort: what is stable is as it should be."""
        status = self._status(found)
        return status.get("currentPodHash") != status.get("stableRS")

    def _say(self, status: dict[str, Any], word: str, *, dry: bool) -> list[str]:
        patch = {"status": status}
        if not dry and not self._cluster.merge_if_there(f"{self._path}/status", patch):
            self._cluster.merge(self._path, patch)  # before Rollouts had a status subresource
        return [word]

    def _undo(self, found: Any, wanted: bool, *, dry: bool) -> list[str]:
        undone, now = annotation(found, UNDONE), annotation(found, REVISION)
        if not wanted:
            if undone and not dry:
                self._cluster.merge(self._path, {"metadata": {"annotations": {UNDONE: None}}})
            return []
        if undone:
            return []
        if "template" not in found["spec"]:
            raise DriverError(f"{self._name}: its template is another workload's (workloadRef): undo that one")
        sets = self._cluster.get(
            f"/apis/apps/v1/namespaces/{self._namespace}/replicasets", labelSelector=selector_of(found)
        )["items"]
        revision, template = previous_template(found, sets, REVISION)
        if not dry:
            self._cluster.replace(
                self._path,
                [
                    {"op": "replace", "path": "/spec/template", "value": template},
                    {"op": "add", "path": "/metadata/annotations/trivet.dev~1undone-from", "value": now},
                ],
            )
        return [f"went back from revision {now} to {revision}"]

    def _pause(self, wanted: bool, *, dry: bool) -> list[str]:
        if not dry:
            self._cluster.merge(self._path, {"spec": {"paused": wanted}})
        return ["paused" if wanted else "resumed"]

    def _promote(self, found: Any, *, full: bool, dry: bool) -> list[str]:
        if full:
            return self._say({"promoteFull": True}, "promoted in full", dry=dry) if self._moves(found) else []
        if not self._status(found).get("pauseConditions"):
            return []
        return self._say({"pauseConditions": None}, "promoted a step", dry=dry)

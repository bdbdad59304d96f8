"""Triton: load and unload models. The server must run with --model-control-mode=explicit.

Desired: `models` {name: true, loaded, or false, unloaded}. A model that is loaded already is left alone, also where its files
have changed: loading it again is a deployment, and no degrade.
"""

from typing import Any, Final
from urllib.parse import quote

from trivet_collectors.drivers.driver import PATIENCE_S, Applied, Desired, DriverError, Http

KEYS: Final = frozenset({"models"})
READY: Final = "READY"


class Triton:
    """One Triton server."""

    def __init__(self, http: Http, *, unload_dependents: bool = False) -> None:
        self._http, self._dependents = http, unload_dependents

    def apply(self, desired: Desired, *, dry: bool = False) -> Applied:
        wanted = desired.get("models") or {}
        if not isinstance(wanted, dict):
            raise DriverError("models: must be a table of name = true or false")
        states = self._states()
        missing = sorted(name for name, loaded in wanted.items() if loaded and name not in states)
        if missing:
            raise DriverError(f"{missing[0]}: no such model in the repository")
        done = []
        for name, loaded in sorted(wanted.items()):
            if bool(loaded) != (states.get(name) == READY):
                if not dry:
                    self._set(name, bool(loaded))
                done.append(f"{'loaded' if loaded else 'unloaded'} {name}")
        return Applied(bool(done), ", ".join(done) or "as wanted")

    def close(self) -> None:
        self._http.close()

    def _states(self) -> dict[str, str]:
        """Each model's best state: of several versions one that is ready serves."""
        index: list[dict[str, Any]] = self._http.ok("POST", "/v2/repository/index", {}).body
        found: dict[str, str] = {}
        for each in index:
            state = str(each.get("state", ""))
            found[each["name"]] = READY if READY in (state, found.get(each["name"])) else state
        return found

    def _set(self, name: str, loaded: bool) -> None:
        path = f"/v2/repository/models/{quote(name, safe='')}"
        if not loaded:
            body = {"parameters": {"unload_dependents": self._dependents}}
            self._http.ok("POST", f"{path}/unload", body, patience_s=PATIENCE_S)
            return
        answer = self._http.call("POST", f"{path}/load", {}, patience_s=PATIENCE_S)
        if answer.status >= 300:
            said = (answer.body or {}).get("error", answer.text) if isinstance(answer.body, dict) else answer.text
            raise DriverError(f"{name}: {str(said).partition(chr(10))[0][:400]}")
        if self._http.call("GET", f"/v2/models/{quote(name, safe='')}/ready").status != 200:
            raise DriverError(f"{name}: loaded, but not ready")

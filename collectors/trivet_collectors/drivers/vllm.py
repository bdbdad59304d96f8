"""vLLM: put a model to sleep and wake it, load and unload LoRA adapters.

Sleep needs the server started with VLLM_SERVER_DEV_MODE=1 and --enable-sleep-mode, adapters VLLM_ALLOW_RUNTIME_LORA_UPDATING=1.
Whether these calls are open to the network is vLLM's owner's affair: they have no key of their own but the server's.

Desired: `sleep` 0 awake, 1 weights in the host's memory, 2 weights discarded; `loras` {name: path, or "" for none of it}.
"""

from typing import Any, Final

from trivet_collectors.drivers.driver import PATIENCE_S, Applied, Desired, DriverError, Http

KEYS: Final = frozenset({"sleep", "loras"})
LEVELS: Final = (0, 1, 2)


class Vllm:
    """One vLLM server. `mode` says what becomes of calls that run when it is put to sleep: wait, abort or keep."""

    def __init__(self, http: Http, *, mode: str = "wait") -> None:
        self._http, self._mode = http, mode
        self._slept: int | None = None  # as deep as we put it: the server says only that it sleeps

    def apply(self, desired: Desired, *, dry: bool = False) -> Applied:
        done: list[str] = []
        if "sleep" in desired:
            done += self._sleep(desired["sleep"], dry=dry)
        if desired.get("loras"):
            done += self._loras(desired["loras"], dry=dry)
        return Applied(bool(done), ", ".join(done) or "as wanted")

    def close(self) -> None:
        self._http.close()

    def _sleep(self, level: Any, *, dry: bool) -> list[str]:
        if level not in LEVELS:
            raise DriverError(f"sleep: {level!r} must be 0, 1 or 2")
        answer = self._http.call("GET", "/is_sleeping")
        if answer.status == 404:
            raise DriverError("this vLLM has no sleep: start it with VLLM_SERVER_DEV_MODE=1 and --enable-sleep-mode")
        if answer.status != 200 or not isinstance(answer.body, dict) or "is_sleeping" not in answer.body:
            raise DriverError(f"/is_sleeping: HTTP {answer.status} {answer.text[:200]}".strip())
        sleeping = bool(answer.body["is_sleeping"])
        if not sleeping:
            self._slept = None
        if sleeping == bool(level) and (not level or self._slept in (None, level)):
            return []
        if not level:
            return self._wake(dry=dry)
        # A deeper sleep begins awake: what is asleep refuses to be put to sleep once more.
        return [*(self._wake(dry=dry) if sleeping else []), *self._to_sleep(level, dry=dry)]

    def _wake(self, *, dry: bool) -> list[str]:
        if not dry:
            self._http.ok("POST", "/wake_up", patience_s=PATIENCE_S)
            self._slept = None
        return ["woken"]

    def _to_sleep(self, level: int, *, dry: bool) -> list[str]:
        if not dry:
            self._http.ok("POST", "/sleep", patience_s=PATIENCE_S, level=level, mode=self._mode)
            self._slept = level
        return [f"put to sleep at level {level}"]

    def _loras(self, wanted: Any, *, dry: bool) -> list[str]:
        if not isinstance(wanted, dict):
            raise DriverError("loras: must be a table of name = path, with an empty path for none")
        models = self._http.ok("GET", "/v1/models").body
        there = {each["id"] for each in models["data"]}
        done = []
        for name, path in sorted(wanted.items()):
            if bool(path) == (name in there):
                continue
            if not dry:
                self._load(name, path)
            done.append(f"{'loaded' if path else 'unloaded'} {name}")
        return done

    def _load(self, name: str, path: str) -> None:
        body = {"lora_name": name} | ({"lora_path": path} if path else {})
        asked = "/v1/load_lora_adapter" if path else "/v1/unload_lora_adapter"
        answer = self._http.call("POST", asked, body, patience_s=PATIENCE_S)
        if answer.status == 404 and path:
            raise DriverError("this vLLM takes no adapters: start it with VLLM_ALLOW_RUNTIME_LORA_UPDATING=1")
        if answer.status >= 300:
            raise DriverError(f"{name}: HTTP {answer.status} {answer.text[:200]}")

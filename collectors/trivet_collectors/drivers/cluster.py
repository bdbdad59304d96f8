"""Calls to a Kubernetes API server: who we are, and the few ways of patching."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from trivet_collectors.drivers.driver import TIMEOUT_S, Answer, DriverError, Http, trusting

MERGE: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True)
class Access:
    """Where the API server is and who asks; in a pod all of it is found."""

    url: str
    token_file: Path | None = None
    ca_file: Path | None = None

    @classmethod
    def of(cls, said: Mapping[str, Any], environment: Mapping[str, str]) -> "Access":
        """From a driver's configuration, else from the pod that this runs in."""
        host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT", "443")
        url = said.get("url") or (f"https://{f'[{host}]' if ':' in host else host}:{port}" if host else "")
        if not url:
            raise DriverError("url: missing, and this does not run in a pod")
        token, ca = said.get("token_file"), said.get("ca_file")
        in_pod = not said.get("url")
        return cls(
            url,
            Path(token) if token else ACCOUNT / "token" if in_pod else None,
            Path(ca) if ca else ACCOUNT / "ca.crt" if in_pod else None,
        )


class _Token(httpx.Auth):
    """A pod's token is replaced about every hour, so it is read for each call."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._file.read_text(encoding='utf-8').strip()}"
        yield request


class Cluster:
    """An API server. `get` and the patches raise DriverError, with its words."""

    def __init__(self, access: Access, *, timeout_s: float = TIMEOUT_S) -> None:
        auth = _Token(access.token_file) if access.token_file else None
        verify = trusting(str(access.ca_file) if access.ca_file else None)
        self._http = Http(access.url, timeout_s=timeout_s, verify=verify, auth=auth)

    def get(self, path: str, **query: Any) -> Any:
        return self._said(self._http.call("GET", path, **query), path).body

    def merge(self, path: str, patch: Any) -> Any:
        return self._said(self._http.call("PATCH", path, patch, media_type=MERGE), path).body

    def replace(self, path: str, patch: list[Any]) -> Any:
        return self._said(self._http.call("PATCH", path, patch, media_type=JSON_PATCH), path).body

    def merge_if_there(self, path: str, patch: Any) -> bool:
        """False where the path does not exist: an older version has no such subresource."""
        answer = self._http.call("PATCH", path, patch, media_type=MERGE)
        if answer.status == 404:
            return False
        self._said(answer, path)
        return True

    def close(self) -> None:
        self._http.close()

    def _said(self, answer: Answer, path: str) -> Answer:
        if 200 <= answer.status < 300:
            return answer
        words = answer.body.get("message") if isinstance(answer.body, dict) else None
        hint = ": let its service account get and patch it" if answer.status == 403 else ""
        raise DriverError(f"{path}: HTTP {answer.status} {words or answer.text[:200]}{hint}".strip())

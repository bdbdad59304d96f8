"""A real OpenID provider (`oidc-provider` under Node.js) on loopback, and a person in front of it."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

HERE = Path(__file__).resolve().parent
CALLBACK = "http://127.0.0.1/sign-in/callback"
START_LIMIT_S = 30
STEPS_MAX = 12


@contextmanager
def provider(folder: Path, accounts: dict[str, dict[str, Any]]) -> Iterator[str]:
    """The issuer's address, while the block runs."""
    node = shutil.which("node")
    assert node is not None, "Node.js builds the web assets; the provider runs on it too."
    told = folder / "accounts.json"
    told.write_text(json.dumps(accounts))
    command = [node, "--no-warnings", str(HERE / "provider.mjs"), str(told), CALLBACK]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield next(line.strip() for line in process.stdout if line.startswith("http"))
        finally:
            process.terminate()
            process.wait(START_LIMIT_S)


def come_back(url: str, account: str) -> str:
    """Signs in at the provider's own pages as that account, agrees, and gives the address it leads back to."""
    with httpx.Client(timeout=START_LIMIT_S) as person:
        answer = person.get(url)
        for _ in range(STEPS_MAX):
            where = answer.headers.get("location", "")
            if where.startswith(CALLBACK):
                return where
            if where:
                answer = person.get(answer.request.url.join(where))
            else:
                form = re.search(r'action="([^"]+)"', answer.text)
                prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
                assert form and prompt, answer.text[:2000]
                data = {"prompt": prompt[1], "login": account, "password": "any"}
                answer = person.post(answer.request.url.join(form[1]), data=data)
    raise AssertionError("the provider leads nowhere")

"""What can be connected: data. Texts of configurations lie in `web/templates/connect/texts`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from trivet.console.tongue import N_

CALLS, ENGINE, CARDS, POLICY = "calls", "engine", "cards", "policy"


@dataclass(frozen=True, slots=True)
class Kind:
    """One thing that runs. `files` are (name to give it, text it is made from); `tells` what it can tell Trivet of."""

    key: str
    name: str
    says: str
    backend: str
    scopes: tuple[str, ...]
    files: tuple[tuple[str, str], ...]
    tells: tuple[str, ...]


KINDS: Final[Mapping[str, Kind]] = {kind.key: kind for kind in (
    Kind(
        "litellm", "LiteLLM",
        N_("A gateway. One line in its configuration sends each call as a span and obeys the policy."),
        "gateway-1", ("ingest", "policy"),
        (("terminal", "litellm.sh"), ("config.yaml", "config.yaml"), ("trivet.toml", "trivet.toml")), (CALLS, POLICY),
    ),
    Kind(
        "vllm", "vLLM",
        N_("An inference server. It sends spans itself; an agent beside it reads its queue and its KV cache."),
        "vllm-1", ("ingest",), (("terminal", "vllm.sh"), ("collector.toml", "vllm.toml")), (CALLS, ENGINE),
    ),
    Kind(
        "triton", "Triton",
        N_("An inference server. An agent reads its queue and its caches, and loads or unloads models by the policy."),
        "triton-1", ("ingest", "policy"),
        (("terminal", "triton.sh"), ("collector.toml", "triton.toml"), ("drivers.toml", "drivers.toml")), (ENGINE, POLICY),
    ),
    Kind(
        "otel", "OpenTelemetry (Python)",
        N_("An app that already has spans: the address, the key, and the attributes that say for whom and of what."),
        "app-1", ("ingest",), (("terminal", "otel.sh"), ("app.py", "otel.python")), (CALLS,),
    ),
    Kind(
        "client", "ASGI (Python)",
        N_("An app that obeys: our middleware lets calls in or turns them away, and marks each span with its policy."),
        "app-1", ("ingest", "policy"), (("terminal", "client.sh"), ("app.py", "client.python")), (CALLS, POLICY),
    ),
    Kind(
        "collector", N_("OpenTelemetry Collector"),
        N_("A collector in front: it takes what others send, keeps it on disk while Trivet is away, and passes it on."),
        "gateway-1", ("ingest",), (("terminal", "collector.sh"), ("otel-collector.yaml", "collector.yaml")), (CALLS,),
    ),
    Kind(
        "node", "trivet-collector",
        N_("A GPU node: one agent for its cards and for the engine that runs on them."),
        "vllm-1", ("ingest",), (("terminal", "node.sh"), ("collector.toml", "node.toml")), (ENGINE, CARDS),
    ),
)}  # fmt: skip

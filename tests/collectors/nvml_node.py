"""A GPU node made of the stand-in NVML library and the file that says what it answers."""

import subprocess
import threading
from pathlib import Path

SOURCE = Path(__file__).parent / "fake_nvml" / "nvml.c"
A, B = "GPU-aaaa", "GPU-bbbb"

TWO_GPUS = {
    "driver": "loaded",
    "version": "580.65.06",
    "order": "0,1",
    "0.uuid": A,
    "0.name": "NVIDIA H200",
    "0.minor": "0",
    "0.utilization": "37",
    "0.used": "1000",
    "0.used_v1": "1600",
    "0.total": "4000",
    "0.power": "412500",
    "0.energy": "7200000000123",
    "0.temperature": "61",
    "0.clock_sm": "1980",
    "0.clock_memory": "3201",
    "0.throttle": "0x24",
    "0.event_types": "0x1e",
    # The second is an older board: no power, no energy, only the first kind of memory information.
    "1.uuid": B,
    "1.name": "Tesla T4",
    "1.minor": "1",
    "1.utilization": "0",
    "1.used_v1": "70",
    "1.total": "900",
    "1.power": "unsupported",
    "1.temperature": "40",
    "1.throttle": "0x1",
}


class NvmlState:
    """What the library answers, and what it was asked (`log`)."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state"
        self.log = folder / "asked"
        self.settings = dict(TWO_GPUS)
        self._changing = threading.Lock()
        self.change()

    @property
    def environment(self) -> dict[str, str]:
        return {"FAKE_NVML_STATE": str(self.path), "FAKE_NVML_LOG": str(self.log)}

    def change(self, settings: dict[str, str] | None = None, **named: str) -> None:
        """`gpu0_power="300000"` sets 0.power, `{"0.1.uuid": "MIG-b"}` that of an instance; other names are the node's."""
        named = {f"{n[3]}.{n[5:]}" if n.startswith("gpu") else n: value for n, value in named.items()}
        with self._changing:
            self.settings |= {**(settings or {}), **named}
            fresh = self.path.with_suffix(".new")
            fresh.write_text("".join(f"{k}={v}\n" for k, v in self.settings.items()))
            fresh.replace(self.path)

    def asked(self, question: str) -> int:
        """How often a question such as "0 power" was asked so far."""
        return self.log.read_text().splitlines().count(question) if self.log.exists() else 0


def build_library(folder: Path) -> Path:
    """Compiles the stand-in; the folder goes into LD_LIBRARY_PATH, or the file is loaded under its own name."""
    library = folder / "libnvidia-ml.so.1"
    name = f"-Wl,-soname,{library.name}"
    command = ["gcc", "-shared", "-fPIC", "-pthread", "-Wall", "-Wextra", "-Werror", name, "-o", library, SOURCE]
    subprocess.run(command, check=True)
    return library

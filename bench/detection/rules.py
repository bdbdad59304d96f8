"""The same conditions as Prometheus rules, evaluated by Prometheus itself on the same replays, backfilled with promtool.

Twice: as usually set up (scraped and evaluated each 15 s, rates over a minute, `for: 1m`) and as fast as it goes (each second,
rates over the guard's window, no `for`). Histograms have a bucket bound at the limit, which flatters Prometheus.
"""

import json
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bench.detection.ours import LEAST, WINDOW_S
from bench.detection.replay import Calls
from bench.stack import free_port

BASE_S = 1_763_683_200  # 2025-11-21: blocks are aligned to two hours
SCRIPT = Path(__file__).parents[2] / "scripts" / "prometheus.sh"


@dataclass(frozen=True)
class Setting:
    """Scrape and evaluation interval, range of rates and `for`, in seconds."""

    name: str
    every_s: int
    range_s: int
    for_s: int


USUAL = Setting("Prometheus, 15 s, for 1 m", 15, 60, 60)
FAST = Setting("Prometheus, 1 s, for 0 s", 1, WINDOW_S, 0)
SETTINGS = (USUAL, FAST)


@dataclass(frozen=True)
class Case:
    """One replay as Prometheus sees it: `limit_ms` is of its latency rule, scraping goes on for `length_s`."""

    name: str
    calls: Calls
    limit_ms: float
    length_s: int
    settings: tuple[Setting, ...] = SETTINGS


def condition(kind: str, enter: float, setting: Setting) -> str:
    """The rule's expression, one series a case where it holds. `enter` is a share or money an hour."""

    def rate(metric: str) -> str:
        return f'rate({metric}{{every="{setting.every_s}"}}[{setting.range_s}s])'

    enough = f'increase(llm_requests_total{{every="{setting.every_s}"}}[{setting.range_s}s]) >= {LEAST}'
    if kind == "latency":
        buckets = f"sum by (case, le) ({rate('llm_seconds_bucket')})"
        return f"(histogram_quantile(0.95, {buckets}) > on (case) llm_limit_seconds) and on (case) {enough}"
    if kind == "errors":
        return f"({rate('llm_errors_total')} / on (case) {rate('llm_requests_total')} > {enter}) and on (case) {enough}"
    if kind == "spend":
        return f"{rate('llm_cost_total')} * 3600 > {enter}"
    return f'({rate("llm_requests_total")} == 0) and on (case) llm_running{{every="{setting.every_s}"}} > 0'


def write(cases: list[Case], path: Path) -> None:
    """All cases as OpenMetrics text, each on the same clock from `BASE_S` on."""
    with path.open("w") as file:
        for metric, kind in (("llm_requests", "counter"), ("llm_errors", "counter"), ("llm_cost", "counter")):
            file.write(f"# TYPE {metric} {kind}\n")
            for case, setting, at in _scraped(cases):
                _series(file, _head(f"{metric}_total", case, setting), at, _sampled(case.calls, metric, at))
        file.write("# TYPE llm_seconds histogram\n")
        for case, setting, at in _scraped(cases):
            limit = case.limit_ms / 1000
            for bound in (limit / 4, limit / 2, limit, 2 * limit, np.inf):
                taken = case.calls.where(case.calls.took <= bound)
                label = "+Inf" if np.isinf(bound) else f"{bound:.6g}"
                _series(file, _head("llm_seconds_bucket", case, setting, f',le="{label}"'), at, _upto(taken.end, at))
        file.write("# TYPE llm_running gauge\n")
        for case, setting, at in _scraped(cases):
            running = _upto(case.calls.start, at) - _upto(case.calls.end, at)
            _series(file, _head("llm_running", case, setting), at, running)
        file.write("# TYPE llm_limit_seconds gauge\n")
        for case in cases:
            at = np.arange(0, case.length_s, 60.0)
            lines = [
                f'llm_limit_seconds{{case="{case.name}"}} {case.limit_ms / 1000:.6g} {BASE_S + t:.3f}\n' for t in at
            ]
            file.write("".join(lines))
        file.write("# EOF\n")


def _scraped(cases: list[Case]) -> Iterator[tuple[Case, Setting, np.ndarray]]:
    for case in cases:
        for setting in case.settings:
            yield case, setting, np.arange(0, case.length_s, setting.every_s, dtype=np.float64)


def _sampled(calls: Calls, metric: str, at: np.ndarray) -> np.ndarray:
    if metric == "llm_requests":
        return _upto(calls.end, at)
    if metric == "llm_errors":
        return _upto(calls.end[calls.failed], at)
    order = np.argsort(calls.end)
    spent = np.concatenate([[0.0], np.cumsum(calls.cost[order])])
    return spent[np.searchsorted(calls.end[order], at)]


def _upto(moments: np.ndarray, at: np.ndarray) -> np.ndarray:
    return np.searchsorted(np.sort(moments), at).astype(np.float64)


def _head(metric: str, case: Case, setting: Setting, more: str = "") -> str:
    return f'{metric}{{case="{case.name}",every="{setting.every_s}"{more}}}'


def _series(file, head: str, at, values) -> None:
    pairs = zip(at.tolist(), values.tolist(), strict=True)
    file.write("".join([f"{head} {value:.9g} {BASE_S + t:.3f}\n" for t, value in pairs]))


def programs() -> Path:
    """The folder with Prometheus' programs; says what to install where there is none."""
    return Path(subprocess.run(["sh", SCRIPT], check=True, stdout=subprocess.PIPE, text=True).stdout.strip())


@contextmanager
def serving(programs: Path, text: Path, folder: Path) -> Iterator[str]:
    """A Prometheus on the backfilled series; its address."""
    backfill = [programs / "promtool", "tsdb", "create-blocks-from", "openmetrics", "--quiet", text, folder / "tsdb"]
    subprocess.run(backfill, check=True, stdout=subprocess.DEVNULL)
    (folder / "empty.yml").write_text("scrape_configs: []\n")
    port = free_port()
    command = [
        programs / "prometheus", f"--config.file={folder}/empty.yml", f"--storage.tsdb.path={folder}/tsdb",
        "--storage.tsdb.retention.time=100y", f"--web.listen-address=127.0.0.1:{port}", "--log.level=error",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_ready(address)
        yield address
    finally:
        process.terminate()
        process.wait(20)


def wait_ready(address: str, within_s: float = 60) -> None:
    until = time.monotonic() + within_s
    while True:
        try:
            urllib.request.urlopen(f"{address}/-/ready", timeout=2).read()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


def firings(address: str, kind: str, enter: float, setting: Setting, length_s: int) -> Mapping[str, list[int]]:
    """When the rule begins to fire, in seconds of each case: after its condition has held for `for`."""
    query = {
        "query": condition(kind, enter, setting), "start": BASE_S, "end": BASE_S + length_s - 1, "step": setting.every_s
    }  # fmt: skip
    body = urllib.parse.urlencode(query).encode()
    with urllib.request.urlopen(f"{address}/api/v1/query_range", body, timeout=300) as answer:
        found = json.load(answer)["data"]["result"]
    return {
        series["metric"]["case"]: _fires([int(float(at)) - BASE_S for at, _ in series["values"]], setting)
        for series in found
    }


def _fires(holds: list[int], setting: Setting) -> list[int]:
    fired, since, before, firing = [], 0, None, False
    for at in holds:
        if before is None or at - before > setting.every_s:
            since, firing = at, False
        if not firing and at - since >= setting.for_s:
            fired.append(at)
            firing = True
        before = at
    return fired

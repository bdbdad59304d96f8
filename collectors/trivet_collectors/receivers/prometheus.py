"""Scrapes one metrics page: vLLM, SGLang, TGI, Triton, llama.cpp, LiteLLM, Dynamo or dcgm-exporter."""

import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Sequence
from http.client import HTTPException, HTTPResponse
from typing import Any, Final
from urllib.parse import urlsplit

from trivet_collectors import semconv
from trivet_collectors.config import ConfigError, PrometheusConfig, secret
from trivet_collectors.pipeline.bounded import Bounded
from trivet_collectors.pipeline.destination import NoRedirect
from trivet_collectors.pipeline.histogram import Spread
from trivet_collectors.pipeline.reading import Reading
from trivet_collectors.receivers.prometheus_map import Engine, engine_of, engines
from trivet_collectors.receivers.prometheus_read import EngineReader
from trivet_collectors.receivers.prometheus_text import Page, PageError, parse
from trivet_collectors.receivers.source import SourceError

ACCEPT: Final = "text/plain;version=0.0.4, application/openmetrics-text;version=1.0.0;q=0.5, */*;q=0.1"
CHUNK: Final = 64 * 1024
GRACE_S: Final = 0.5  # for the time-outs of the socket to come first, which say more
GZIP: Final = 16 + zlib.MAX_WBITS
# What is scraped is near by: no proxy of the environment stands before it.
_OPENER: Final = urllib.request.build_opener(NoRedirect, urllib.request.ProxyHandler({}))


class PrometheusSource:
    """One target. Its name, in what the agent says of itself, is its host, port and any path but /metrics."""

    def __init__(self, config: PrometheusConfig) -> None:
        split = urlsplit(config.url)
        path = split.path.rstrip("/")
        self.name = f"prometheus {split.netloc}{path if path != '/metrics' else ''}"
        self.interval_s = config.interval_s
        self._config = config
        self._reader: EngineReader | None = None
        self._bounded: Bounded[str] = Bounded()

    @property
    def engine(self) -> str | None:
        """Whose page it is, once that is known."""
        return self._reader.engine.name if self._reader else None

    def open(self) -> None:
        """There is nothing to find before the first scrape."""

    def close(self) -> None:
        """Each scrape has a connection of its own: what is idle for seconds is often cut."""
        self._bounded.close()

    def read(self) -> Sequence[Reading | Spread]:
        page = self._page()
        if self._reader is None or not self._reader.engine.known_by(page):
            self._reader = EngineReader(self._engine(page), self._fixed())  # another one serves there now
        return self._reader.read(page)

    def _engine(self, page: Page) -> Engine:
        engine = engines()[self._config.engine] if self._config.engine else engine_of(page)
        if engine is None:
            raise SourceError(
                f"no engine is known by the names on the page: set engine to one of {', '.join(engines())}"
            )
        if not engine.known_by(page):
            raise SourceError(f"nothing on the page is {engine.name}'s: {' or '.join(engine.prefixes)}")
        return engine

    def _fixed(self) -> dict[str, str]:
        said = {
            semconv.TRIVET_BACKEND: self._config.backend,
            semconv.TRIVET_SCENARIO: self._config.scenario,
            semconv.TRIVET_POOL: self._config.pool,
            semconv.GEN_AI_REQUEST_MODEL: self._config.model,
        }
        return {key: text for key, text in said.items() if text}

    def _page(self) -> Page:
        try:
            body, content_type = self._in_time()
            return parse(body, content_type)
        except PageError as error:
            raise SourceError(str(error)) from error
        except urllib.error.HTTPError as error:
            with error:
                raise SourceError(f"HTTP {error.code} {error.reason}".strip()) from error
        except (OSError, HTTPException, ValueError, zlib.error) as error:
            reason = getattr(error, "reason", None) or error
            if isinstance(reason, TimeoutError):  # of one wait, of all of it: to the reader the same
                raise SourceError(str(self._too_slow())) from error
            raise SourceError(str(reason) or type(error).__name__) from error

    def _in_time(self) -> tuple[bytes, str]:
        """Time-outs of a socket are of one wait each: a head that drips, or a name that is looked up for ever, has none."""
        done = self._bounded.run({self.name: self._fetched}, self._config.timeout_s + GRACE_S).get(self.name)
        if done is None:
            raise self._too_slow()
        if done.error is not None:
            raise done.error
        assert done.value is not None
        return done.value

    def _too_slow(self) -> PageError:
        return PageError(f"the page took longer than {self._config.timeout_s:g} s (timeout_s)")

    def _fetched(self) -> tuple[bytes, str]:
        """The page's bytes and type, within the limits of size and time."""
        headers = {"Accept": ACCEPT, "Accept-Encoding": "gzip", "User-Agent": "trivet-collector"}
        if self._config.bearer_token_file:
            try:
                headers["Authorization"] = f"Bearer {secret(self._config.bearer_token_file, 'bearer_token_file')}"
            except ConfigError as error:
                raise SourceError(str(error)) from error
        deadline = time.monotonic() + self._config.timeout_s
        request = urllib.request.Request(self._config.url, headers=headers)  # noqa: S310 - http(s) only, see `config`
        with _OPENER.open(request, timeout=self._config.timeout_s) as response:
            packed = response.headers.get("Content-Encoding", "").strip().lower() in ("gzip", "x-gzip")
            return self._body(response, packed, deadline), response.headers.get("Content-Type", "")

    def _body(self, response: HTTPResponse, packed: bool, deadline: float) -> bytes:
        unpack: Any = zlib.decompressobj(GZIP) if packed else None
        body = bytearray()
        endless = response.length is None and not response.chunked  # until the connection is closed, whyever it is
        while chunk := response.read1(CHUNK):
            room = self._config.bytes_max - len(body) + 1
            body += unpack.decompress(chunk, room) if unpack else chunk[:room]
            if len(body) > self._config.bytes_max:
                raise PageError(f"the page is larger than {self._config.bytes_max} bytes (bytes_max)")
            if time.monotonic() > deadline:
                raise self._too_slow()
        # Half a number is a number too, and one that fell: a page that was cut off is none.
        if response.length or (not unpack.eof if unpack else endless and not body.endswith(b"\n")):
            raise PageError("the page was cut off")
        return bytes(body)

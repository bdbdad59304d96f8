"""Counting the elements of JSON before parsing: only outside strings, in bounded memory, and soon done."""

import gzip
import json
import time
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.otlp import JSON, as_json, export, span

from trivet.ingest.errors import TooManyItems
from trivet.ingest.line import structure
from trivet.ingest.line.structure import check_elements

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('{[,"\\é\U0001f600x'),
    lambda inner: st.lists(inner) | st.dictionaries(st.text('{[,"\\x'), inner),
)


def elements(value):
    """Reckoned from what was written: a list or object opens once, and each item but the first follows one."""
    if isinstance(value, list | dict):
        inside = list(value.values()) if isinstance(value, dict) else value
        return 1 + max(0, len(inside) - 1) + sum(map(elements, inside))
    return 0


class TestCounting:
    @given(values, st.booleans(), st.integers(1, 9))
    def test_is_exact_wherever_the_pieces_end(self, value, ascii_only, piece_bytes):
        body = json.dumps(value, ensure_ascii=ascii_only).encode()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(structure, "PIECE_BYTES", piece_bytes)
            check_elements(body, elements(value))
            if elements(value):
                with pytest.raises(TooManyItems):
                    check_elements(body, elements(value) - 1)

    def test_a_text_full_of_marks_is_one_value(self):
        check_elements(json.dumps({"prompt": '[{,"\\' * 100_000}).encode(), 1)

    @pytest.mark.parametrize("unit", [b"{},", b'",",', b'"{",', b'"\\\\,",', b"\\", b'\\"', b'"'])
    def test_is_soon_done_with_the_largest_body(self, unit):
        body = b'{"x":[' + unit * ((64 << 20) // len(unit))
        start = time.perf_counter()
        with suppress(TooManyItems):
            check_elements(body, 30_000_000)
        assert time.perf_counter() - start < 60  # a second on an idle machine; hours where it were quadratic


class TestAnExport:
    def test_of_twenty_million_empty_objects_is_refused_before_it_fills_the_memory(self, sender, key):
        packed = gzip.compress(b'{"x":[' + b"{}," * 20_000_000 + b"{}]}", 6)
        assert len(packed) < 1 << 20
        tracemalloc.start()
        try:
            answer = sender.post("/v1/traces", content=packed, headers=key | JSON | {"Content-Encoding": "gzip"})
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert (answer.status_code, answer.json()["code"]) == (413, 8)
        assert "elements" in answer.json()["message"]
        assert peak < 160 << 20

    @pytest.mark.parametrize("path", ["/v1/traces", "/v1/metrics", "/v1/logs"])
    def test_over_the_setting_is_refused_whatever_the_signal(self, sender, key, monkeypatch, path):
        from trivet.settings import get_settings

        monkeypatch.setenv("TRIVET_OTLP_ELEMENTS_LIMIT", "10")
        get_settings.cache_clear()
        assert sender.post(path, content=b'{"x":[' + b"1," * 8 + b"1]}", headers=key | JSON).status_code == 200
        assert sender.post(path, content=b'{"x":[' + b"1," * 9 + b"1]}", headers=key | JSON).status_code == 413

    def test_is_utf_8_and_nothing_else(self, sender, key):
        """In another encoding a character may hide a quotation mark from the count."""
        content = as_json(export(span())).decode()
        assert sender.post("/v1/traces", content=content.encode("utf-8-sig"), headers=key | JSON).status_code == 200
        assert sender.post("/v1/traces", content=content.encode("utf-16"), headers=key | JSON).status_code == 400

"""How much script a page loads, as a browser gets it over the wire."""

import gzip
import json
import re

import pytest

from trivet.paths import shipped

DIST = shipped("web") / "static" / "dist"
BUDGET_BYTES = 60_000
WITH_CHARTS_BYTES = 240_000


def packed(path) -> int:
    return len(gzip.compress(path.read_bytes(), 6))


@pytest.fixture(scope="module")
def main():
    return DIST / json.loads((DIST / "manifest.json").read_text())["main.js"]


class TestScripts:
    def test_a_page_without_charts_loads_less_than_60_kb(self, main):
        text = main.read_text()
        statically = re.findall(r'(?:from|import)\s*"\./([\w.-]+\.js)"', text)
        assert packed(main) + sum(packed(DIST / name) for name in statically) < BUDGET_BYTES

    def test_a_page_with_charts_loads_less_than_240_kb(self):
        assert sum(map(packed, DIST.glob("*.js"))) < WITH_CHARTS_BYTES

    def test_charts_come_only_with_a_page_that_has_one(self, main):
        assert re.search(r'import\("\./chart-[\w-]+\.js"\)', main.read_text())
        assert "uPlot" not in main.read_text()

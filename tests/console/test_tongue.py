"""Every word of ours that a page shows is in each language's catalogue, and no template writes one past it."""

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter

import pytest
from jinja2 import nodes
from scripts.tongue import known, said
from starlette.requests import HTTPConnection

import trivet.console
from trivet.console import render, tongue
from trivet.paths import shipped

WEB = shipped("web")
TEMPLATES = sorted((WEB / "templates").rglob("*.html"))
CONSOLE = Path(trivet.console.__file__).parent
MODULES = sorted(CONSOLE.rglob("*.py"))
HOLE = "\N{OBJECT REPLACEMENT CHARACTER}"
WORD = re.compile(r"[A-Za-z]{2,}")
SHOWN = {"aria-label", "title", "placeholder", "alt", "data-label"}
# Names of things, units and keys, which every language writes so.
SAME = {"Trivet", "CSV", "UTC", "Esc", "ms", "P50", "P95", "GPU", "TTFT"}


class Texts(HTMLParser):
    """What a reader sees of a template's own text: text, and attributes that are read out."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.code = 0

    def handle_starttag(self, tag, attrs):
        self.code += tag == "code"
        self.found += [value for name, value in attrs if name in SHOWN and value]

    def handle_endtag(self, tag):
        self.code -= tag == "code"

    def handle_data(self, data):
        if not self.code:
            self.found.append(data)


def unmarked(template) -> list[str]:
    """Words that a template writes itself, outside `_()`."""
    tree = render.environment(WEB).parse(template.read_text())
    pieces = []
    for output in tree.find_all(nodes.Output):
        pieces.extend(node.data if isinstance(node, nodes.TemplateData) else HOLE for node in output.nodes)
    reader = Texts()
    reader.feed("".join(pieces))
    reader.close()
    return [text.strip() for text in reader.found if set(WORD.findall(text)) - SAME]


def holes(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name} if "{" in text and '{"' not in text else set()


@pytest.fixture(scope="module")
def ours():
    """Every text of ours, with where it stands: found once for all of these."""
    return list(said())


@pytest.fixture(scope="module")
def have():
    return known("zh")


class TestTheCatalogues:
    def test_every_text_is_in_them(self, ours, have):
        assert sorted({f"{path}: {key}" for key, (path, *_) in ours if not have.get(key)}) == []

    def test_none_keeps_what_nobody_says_any_more(self, ours, have):
        assert sorted(have.keys() - {key for key, _ in ours}) == []

    def test_a_translation_has_the_holes_of_its_text(self, have):
        assert [key for key, text in have.items() if text and holes(key) != holes(text)] == []

    @pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(WEB / "templates")))
    def test_a_template_writes_no_word_past_them(self, template):
        assert unmarked(template) == []


MARKERS = {"_", "N_", "_n"}
RAISED = ("Forbidden", "Invalid", "NotFound", "Conflict", "TooLarge", "Error", "Response")
PHRASE = re.compile(r"[A-Za-z]{2,}[,:]? [A-Za-z]{2,}")


def told(call: ast.Call) -> bool:
    """Whether a call takes its words elsewhere: to the catalogues, into an error, a query, a pattern, a log, a metric."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return name in MARKERS | {"text", "compile", "info", "warning", "Counter", "Gauge", "check_role"} or name.endswith(
        RAISED
    )


def phrases(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Words that a module writes itself: texts of two words and more, whole or with holes, that are in no catalogue."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call) and told(child):
            yield from (found for value in child.keywords for found in phrases(value))
        elif isinstance(child, ast.JoinedStr):
            text = "".join(part.value if isinstance(part, ast.Constant) else HOLE for part in child.values)
            if PHRASE.search(text) or (HOLE in text and re.search(rf"{HOLE} [a-z]{{3,}}|[a-z]{{3,}} {HOLE}", text)):
                yield child.lineno, text
            yield from phrases(child)
        elif isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue  # a docstring
        elif isinstance(child, ast.Constant) and isinstance(child.value, str) and PHRASE.search(child.value):
            yield child.lineno, child.value
        else:
            yield from phrases(child)


class TestTheModules:
    @pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(CONSOLE)))
    def test_none_writes_a_phrase_past_the_catalogues(self, module):
        assert list(phrases(ast.parse(module.read_text()))) == []


def asked(scheme: str = "http", **headers: str) -> str:
    """The language of a request."""
    lines = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "scheme": scheme, "path": "/", "server": ("trivet.test", 443), "headers": lines}
    return tongue.wanted(HTTPConnection(scope))


class TestTheReadersLanguage:
    def test_it_is_the_one_chosen_here_else_the_browsers_else_english(self):
        assert asked() == "en"
        assert asked(**{"accept-language": "zh-CN,zh;q=0.9,en;q=0.8"}) == "zh"
        assert asked(**{"accept-language": "fr;q=0.9,de"}) == "en"
        assert asked(cookie="trivet_language=en", **{"accept-language": "zh"}) == "en"
        assert asked(cookie="trivet_language=<script>", **{"accept-language": "zh"}) == "zh"

    def test_over_tls_it_is_chosen_by_a_cookie_that_no_other_host_can_set(self):
        assert asked("https", cookie="__Host-trivet_language=zh") == "zh"
        assert asked("https", cookie="trivet_language=zh") == "en"

    def test_values_are_put_in_after_translation_and_stay_text_beside_markup(self):
        from markupsafe import Markup

        assert tongue._("{a} and {b}", a="<1>", b=2) == "<1> and 2"
        mixed = tongue._("{a} and {b}", a="<1>", b=Markup("<b>2</b>"))
        assert mixed == Markup("&lt;1&gt; and <b>2</b>")

    def test_a_page_is_written_in_it(self, client):
        page = client.get("/sign-in", headers={"Accept-Language": "zh"})
        assert page.headers["content-language"] == "zh" and '<html lang="zh">' in page.text
        assert "登录" in page.text

"""Who may import whom: the spine goes one way, kit is pure, and two bridges lead to the collectors."""

from pathlib import Path

import pytest
from tests.house.tree import ROOT, Import, imports, name, python

from trivet import CONTEXTS

SPINE = ("kit", *CONTEXTS)
# Beneath every context: the database, the settings, and what hands work on.
GROUND = {"db", "settings", "paths", "outbox", "schema", "wake", "kit"}
# On top of every context; nothing beneath may import them.
TOP = {
    "app",
    "serve",
    "worker",
    "cli",
    "cli_alerts",
    "cli_cards",
    "cli_connect",
    "cli_files",
    "cli_keys",
    "cli_prices",
    "cli_shared",
    "doctor",
    "selfwatch",
    "console",
    "demo",
    "embed",
}
BRIDGES = ("trivet_collectors.semconv", "trivet_collectors.policy.evaluate")
# What a pure module must not know: no session, no clock, no settings, no I/O.
IMPURE = ("sqlalchemy", "fastapi", "celery", "httpx", "pydantic_settings", "psycopg", "requests")


def part(module: str) -> str:
    """`trivet.guard.decide` -> `guard`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def place(path: Path) -> str:
    return path.relative_to(ROOT / "backend" / "trivet").with_suffix("").parts[0]


def ours(folder: str) -> list[Import]:
    return [
        found for path in python(folder) for found in imports(path) if found.module.split(".")[0].startswith("trivet")
    ]


def allowed(importer: str, imported: str) -> bool:
    if importer in TOP or importer == imported:
        return True
    if importer == "kit":
        return False
    if importer in GROUND:
        return imported in GROUND
    if imported in GROUND or imported not in {*SPINE, *TOP}:
        return True
    return imported in SPINE and importer in SPINE and SPINE.index(imported) < SPINE.index(importer)


class TestBackend:
    def test_every_import_goes_down_the_spine(self) -> None:
        wrong = [
            str(found)
            for found in ours("backend/trivet")
            if found.module.startswith("trivet.") and not allowed(place(found.path), part(found.module))
        ]
        assert wrong == []

    @pytest.mark.parametrize(
        ("importer", "imported"), [("kit", "db"), ("ingest", "ledger"), ("guard", "app"), ("db", "tenant")]
    )
    def test_the_rule_refuses(self, importer: str, imported: str) -> None:
        assert not allowed(importer, imported)

    @pytest.mark.parametrize(("importer", "imported"), [("ledger", "kit"), ("command", "guard"), ("console", "ledger")])
    def test_the_rule_allows(self, importer: str, imported: str) -> None:
        assert allowed(importer, imported)

    def test_kit_is_pure(self) -> None:
        found = [found for path in python("backend/trivet/kit") for found in imports(path)]
        assert [str(f) for f in found if f.module.split(".")[0] in IMPURE] == []
        assert [str(f) for f in found if f.module.startswith("trivet.") and part(f.module) != "kit"] == []

    def test_only_two_bridges_lead_to_the_collectors(self) -> None:
        """The demo is a serving backend, so it stands on the other side and uses the policy client like any other."""
        wrong = [
            str(found)
            for found in ours("backend/trivet")
            if found.module.startswith("trivet_collectors")
            and not found.module.startswith(BRIDGES)
            and place(found.path) != "demo"
        ]
        assert wrong == []


class TestCollectors:
    def test_they_never_import_trivet(self) -> None:
        found = ours("collectors")
        assert found
        assert [str(f) for f in found if f.module.split(".")[0] == "trivet"] == []

    def test_the_names_on_the_wire_need_only_the_standard_library(self) -> None:
        found = [f.module for f in imports(ROOT / "collectors/trivet_collectors/semconv.py")]
        assert [
            module for module in found if module.split(".")[0] in (*IMPURE, "opentelemetry", "trivet_collectors")
        ] == []


def test_each_root_holds_exactly_its_package() -> None:
    """Both roots are on the import path of an editable install: a second folder would become a package."""
    for root, package in (("backend", "trivet"), ("collectors", "trivet_collectors")):
        assert {name(path).split("/")[1] for path in python(root)} == {package}

"""What may be in a file: no registry, no machine's paths, no file too long, no silent exception, hashes in every lock."""

import json
import re

from tests.house.tree import ROOT, files, name, text

LINES_MAX = 400
# Longer than that, each with its reason.
LONG = {
    "migrations/versions/2026-11-21-0700_the_spine.py": "the first migration makes every table at once; it is read from top to bottom",
    "collectors/trivet_collectors/receivers/engines.toml": "one table of what every engine calls things; each engine is a part of it",
}
SOURCE = {".py", ".sh", ".md", ".html", ".css", ".js", ".mjs", ".ts", ".toml", ".yml", ".yaml"}
README_LINES_MAX = 80

# Written in pieces, so that this file does not find itself.
_REGISTRIES = ("py" + "pi.org", "pythonhosted" + ".org", "registry.npm" + "js.org", "registry.yarn" + "pkg.com")
_MACHINE = re.compile(r"(?<![\w./~-])/(?:work|home|root|Users)/[\w.]")
_EXCEPTION = re.compile(r"#\s*(?:noqa|type:\s*ignore|pragma)\b")
_BARE = re.compile(r"#\s*(?:noqa(?:: *[A-Z0-9, ]+)?|type: *ignore(?:\[[\w, -]+\])?|pragma: no cover)\s*$")


def lines_matching(pattern: re.Pattern[str], *, folders: tuple[str, ...] = ("",)) -> list[str]:
    return [
        f"{name(path)}:{number}: {line.strip()}"
        for path in files()
        if name(path).startswith(folders) and path.suffix not in {".gz", ".png", ".lock"}
        for number, line in enumerate(text(path).splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_file_names_a_package_registry() -> None:
    assert [name(path) for path in files() if any(host in text(path) for host in _REGISTRIES)] == []


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    assert lines_matching(_MACHINE) == []


def test_a_file_is_short_or_has_a_reason() -> None:
    sources = [path for path in files() if path.suffix in SOURCE and not name(path).startswith("tests/data/")]
    long = {name(path) for path in sources if len(text(path).splitlines()) > LINES_MAX}
    assert long - set(LONG) == set()
    assert set(LONG) - long == set(), "no longer long: take them off the list"


def test_a_lint_or_type_exception_has_its_reason_beside_it() -> None:
    found = lines_matching(_EXCEPTION, folders=("backend/", "collectors/"))
    assert [line for line in found if _BARE.search(line)] == []


def test_every_context_has_a_readme_that_can_be_read_in_a_minute() -> None:
    from trivet import CONTEXTS

    folders = [ROOT / "backend" / "trivet" / context for context in CONTEXTS]
    assert [name(folder) for folder in folders if not (folder / "README.md").is_file()] == []
    lengths = {name(f): len(text(f / "README.md").splitlines()) for f in folders}
    assert {context: lines for context, lines in lengths.items() if lines > README_LINES_MAX} == {}


class TestLocks:
    def test_python_locks_carry_a_version_and_hashes_for_each_and_no_address(self) -> None:
        for lock in ("requirements.lock", "requirements-node.lock"):
            content = text(ROOT / lock)
            assert not re.search(r"https?:|--(?:extra-)?index-url|--find-links", content), lock
            entries = re.split(r"^(?=[A-Za-z0-9])", content, flags=re.MULTILINE)
            packages = [entry for entry in entries if re.match(r"[A-Za-z0-9]", entry)]
            assert packages
            assert [p.split()[0] for p in packages if "==" not in p or "--hash=sha256:" not in p] == []

    def test_the_web_lock_carries_hashes_and_no_address(self) -> None:
        lock = json.loads(text(ROOT / "web/package-lock.json"))
        packages = {path: entry for path, entry in lock["packages"].items() if path}
        assert packages
        assert [path for path, entry in packages.items() if "integrity" not in entry] == []
        assert [path for path, entry in packages.items() if "resolved" in entry] == []


def test_the_licence_is_apache_2() -> None:
    licence = text(ROOT / "LICENSE")
    assert "Apache License" in licence
    assert "Version 2.0, January 2004" in licence

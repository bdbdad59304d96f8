"""The repository as house tests see it: its files, and who imports whom."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_NOT_OURS = {
    ".git",
    ".venv",
    ".venv-litellm",
    ".make",
    "data",
    "dist",
    "shots",
    "out",
    "node_modules",
    "__pycache__",
    ".device",
}


@lru_cache
def files() -> tuple[Path, ...]:
    """Every file that is, or would be, committed; by name where this is no git checkout."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode == 0:
        found = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        found = [p for p in ROOT.rglob("*") if not _NOT_OURS & set(p.relative_to(ROOT).parts)]
    return tuple(sorted(path for path in found if path.is_file()))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def python(folder: str) -> list[Path]:
    return [path for path in files() if path.suffix == ".py" and name(path).startswith(f"{folder}/")]


@dataclass(frozen=True)
class Import:
    """`module` of ours, imported in `path` at `line`."""

    path: Path
    line: int
    module: str

    def __str__(self) -> str:
        return f"{name(self.path)}:{self.line} imports {self.module}"


@cache
def imports(path: Path) -> tuple[Import, ...]:
    """Every import in a file, at the top or inside a function; `from a import b` counts as `a.b`."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[Import]:
    for node in ast.walk(ast.parse(text(path))):
        if isinstance(node, ast.Import):
            yield from (Import(path, node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}:{node.lineno}: imports are absolute here"
            yield from (Import(path, node.lineno, f"{node.module}.{alias.name}") for alias in node.names)

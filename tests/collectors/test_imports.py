"""What each part of the collectors needs to be importable: a GPU node has the base dependencies and nothing more."""

import subprocess
import sys

import pytest

# Imports the module while the named packages are not to be had, then tells what came in that is not the standard library's.
PROGRAM = """
import importlib, sys
for name in {blocked!r}:
    sys.modules[name] = None
importlib.import_module({module!r})
roots = {{name.split(".")[0] for name, module in sys.modules.items() if module is not None}}
print(*sorted(roots - set(sys.stdlib_module_names) - {{"__main__", "__mp_main__"}}))
"""


def imported_by(module: str, blocked: tuple[str, ...] = ()) -> set[str]:
    program = PROGRAM.format(module=module, blocked=blocked)
    # -S keeps site-packages' own start-up hooks out; the path is given instead.
    command = [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}\n{program}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.split())


class TestImporting:
    @pytest.mark.parametrize("module", ["semconv", "policy.evaluate", "policy.document", "policy.store"])
    def test_what_the_backend_shares_needs_the_standard_library_only(self, module: str) -> None:
        assert imported_by(f"trivet_collectors.{module}") == {"trivet_collectors"}

    def test_the_command_needs_no_extra(self) -> None:
        imported = imported_by(
            "trivet_collectors.cli",
            blocked=("httpx", "openfeature", "opentelemetry.sdk", "requests", "fastapi", "sqlalchemy", "trivet"),
        )
        assert {"pynvml", "opentelemetry", "typer"} <= imported

    def test_the_client_needs_httpx_and_its_provider_openfeature(self) -> None:
        assert "openfeature" not in imported_by("trivet_collectors.policy.client", blocked=("openfeature", "pynvml"))
        assert "openfeature" in imported_by("trivet_collectors.policy.provider", blocked=("pynvml", "trivet"))

    def test_the_servers_command_says_what_a_node_lacks_for_it(self) -> None:
        program = "import sys; sys.modules['pydantic_settings'] = None; sys.argv[1:] = ['up']; from trivet.cli import main; main()"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert done.stderr.splitlines() == [
            "trivet: pydantic_settings is not installed: the server needs `pip install '.[server]'`"
        ]

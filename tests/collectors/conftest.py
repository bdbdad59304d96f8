from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.collectors.nvml_node import build_library
from tests.collectors.ofrep_server import OfrepServer, running


@pytest.fixture
def server() -> Iterator[OfrepServer]:
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_library(tmp_path_factory.mktemp("nvml"))

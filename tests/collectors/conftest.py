from collections.abc import Iterator

import pytest
from tests.collectors.ofrep_server import OfrepServer, running


@pytest.fixture
def server() -> Iterator[OfrepServer]:
    with running() as server:
        yield server

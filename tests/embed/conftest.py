import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A folder that the server's account may walk to, which pytest's own is not when we are root."""
    folder = Path(tempfile.mkdtemp(prefix="trivet-test-"))
    yield folder
    shutil.rmtree(folder)

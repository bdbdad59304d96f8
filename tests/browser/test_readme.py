"""The README's picture is the demo at its peak. `make shots` takes it anew."""

import struct
from pathlib import Path

PICTURE = Path(__file__).parents[2] / "docs" / "overview.png"


class TestThePicture:
    def test_it_is_there_and_as_wide_as_a_desk(self):
        head = PICTURE.read_bytes()[:24]
        assert head[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">I", head[16:20])[0] == 2560

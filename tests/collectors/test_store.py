"""The state file: replaced whole, private, and never trusted."""

import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.collectors.ofrep_server import document, rfc3339

from trivet_collectors.policy.store import Store

NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)


def store_at(path: Path | None, endpoint: str = "http://trivet", backend: str = "demo-1") -> Store:
    return Store(path, endpoint=endpoint, backend=backend)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "policy.json"


class TestTheStateFile:
    def test_gives_the_next_start_what_was_held(self, path: Path) -> None:
        store_at(path).hold(document(generation=7, level=2), '"v7"')
        held = store_at(path).load()
        assert held is not None
        assert (held.document, held.etag) == (document(generation=7, level=2), '"v7"')

    def test_can_be_read_by_its_owner_only(self, path: Path) -> None:
        before = os.umask(0)
        try:
            store_at(path).hold(document(), None)
        finally:
            os.umask(before)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    def test_stays_private_over_a_file_that_was_not(self, path: Path) -> None:
        path.parent.mkdir()
        path.write_text("{}")
        path.chmod(0o644)
        store_at(path).hold(document(), None)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_stays_private_over_what_a_crash_left_half_written(self, path: Path) -> None:
        path.parent.mkdir()
        left = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        left.write_text('{"half')
        left.chmod(0o644)
        store_at(path).hold(document(), None)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert store_at(path).load() is not None

    def test_leaves_nothing_half_written_behind(self, path: Path) -> None:
        store_at(path).hold(document(), None)
        store_at(path).hold(document(generation=2), None)
        assert [p.name for p in path.parent.iterdir()] == ["policy.json"]

    def test_that_is_missing_is_no_problem(self, path: Path) -> None:
        store = store_at(path)
        assert store.load() is None
        assert store.problem is None

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\x00\xff garbage",
            b'{"version": 1',
            b"[]",
            b"null",
            b'{"version": 99, "backend": "demo-1"}',
            b'{"version": 1, "endpoint": "http://trivet", "backend": "demo-1", "etag": null, "document": {"scenarios": 3}}',
            b"[" * 100_000,
        ],
    )
    def test_that_is_corrupt_counts_as_missing_and_is_said(self, path: Path, content: bytes) -> None:
        path.parent.mkdir()
        path.write_bytes(content)
        store = store_at(path)
        assert store.load() is None
        assert store.held is None
        assert (store.problem or "").startswith("state file not used")
        store.hold(document(), '"v1"')  # and it is no obstacle to the next
        assert store.problem is None
        assert store_at(path).load() is not None

    def test_of_another_backend_is_not_taken_over(self, path: Path) -> None:
        store_at(path).hold(document(), '"v1"')
        assert store_at(path, backend="demo-2").load() is None

    def test_from_another_server_gives_the_state_without_the_etag(self, path: Path) -> None:
        store_at(path).hold(document(level=2), '"v1"')
        held = store_at(path, endpoint="http://elsewhere").load()
        assert held is not None
        assert (held.document, held.etag) == (document(level=2), None)

    def test_that_cannot_be_written_does_not_keep_a_backend_from_obeying(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        store = store_at(tmp_path / "file" / "policy.json")
        store.hold(document(level=3), '"v1"')
        assert store.held is not None
        assert (store.problem or "").startswith("state file not written")

    def test_is_not_needed(self) -> None:
        store = store_at(None)
        store.hold(document(level=2), None)
        store.flush()
        assert store.held is not None
        assert (store.held.document, store.problem) == (document(level=2), None)
        assert store.load() is None


class TestTheTimeLimit:
    def limits(self, store: Store, path: Path) -> tuple[str, str]:
        assert store.held is not None
        on_disk = json.loads(path.read_text())["document"]["valid_until"]
        return store.held.document["valid_until"], on_disk

    def test_moves_in_memory_at_once_and_on_disk_before_half_a_minute_is_lost(self, path: Path) -> None:
        store = store_at(path)
        store.hold({**document(), "valid_until": rfc3339(NOW)}, '"v1"')
        near, far = rfc3339(NOW + timedelta(seconds=29)), rfc3339(NOW + timedelta(seconds=30))
        store.extend(near)
        assert self.limits(store, path) == (near, rfc3339(NOW))
        store.extend(far)
        assert self.limits(store, path) == (far, far)

    def test_is_written_when_polling_ends(self, path: Path) -> None:
        store = store_at(path)
        store.hold({**document(), "valid_until": rfc3339(NOW)}, '"v1"')
        later = rfc3339(NOW + timedelta(seconds=5))
        store.extend(later)
        store.flush()
        assert self.limits(store, path) == (later, later)

    def test_does_not_change_a_document_already_handed_out(self, path: Path) -> None:
        store = store_at(path)
        store.hold({**document(), "valid_until": rfc3339(NOW)}, None)
        assert store.held is not None
        handed_out = store.held.document
        store.extend(rfc3339(NOW + timedelta(minutes=9)))
        assert handed_out["valid_until"] == rfc3339(NOW)

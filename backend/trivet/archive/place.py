"""Where archived days lie: a folder of any file system that `fsspec` knows.

    <archive_url>/request/day=2026-11-21/part-0.parquet
    <archive_url>/_unfinished/…                         what is being written, or was when a process died

A reader's pattern `request/*/*.parquet` meets finished files only.
"""

import contextlib
import io
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from trivet.kit.errors import Unavailable

UNFINISHED = "_unfinished"
_SECRET = re.compile(r"//[^/@]*@")


def without_password(url: str) -> str:
    """An address as it may be shown."""
    return _SECRET.sub("//", url)


class Place:
    """One archive location. `Unavailable` where its kind of store is not known here."""

    def __init__(self, url: str) -> None:
        if "://" not in url and not Path(url).is_absolute():
            raise Unavailable("archive_url must be an absolute path, or a URL such as s3://bucket/folder")
        try:
            self.fs, root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise Unavailable(f"archive_url cannot be used: {error}") from error
        self.root = str(root).rstrip("/")
        self.name = without_password(str(self.fs.unstrip_protocol(self.root)))
        self._local = isinstance(self.fs, LocalFileSystem)

    def url(self, table: str, day: date) -> str:
        """The folder of a day, for people and other programs."""
        return f"{self.name}/{table}/day={day}"

    def unfinished(self, table: str, day: date) -> Iterator[str]:
        """Paths for the parts of a day that is being written, after an earlier try's are gone."""
        folder = self._folder(f"{UNFINISHED}/{table}", day)
        self._clear(folder)
        self.fs.makedirs(folder, exist_ok=True)
        number = 0
        while True:
            yield f"{folder}/part-{number}.parquet"
            number += 1

    def finish(self, table: str, day: date, parts: Sequence[str]) -> list[str]:
        """Put written parts in the place of whatever stood there for the day; their paths."""
        folder = self._folder(table, day)
        self._clear(folder)
        self.fs.makedirs(folder, exist_ok=True)
        finished = [f"{folder}/{path.rpartition('/')[2]}" for path in parts]
        for path, final in zip(parts, finished, strict=True):
            self.fs.mv(path, final)
        self._on_disk(folder)
        if parts:
            self._clear(parts[0].rpartition("/")[0])
        return finished

    def parts(self, table: str, day: date) -> list[str]:
        """Paths of a day's finished files; none where there is no such folder."""
        self.fs.invalidate_cache()
        return sorted(self.fs.glob(f"{self._folder(table, day)}/*.parquet"))

    @contextmanager
    def create(self, path: str) -> Iterator[Any]:
        """A new file; on a local disk it is really there when the block ends."""
        with self.fs.open(path, "wb") as file:
            yield file
            if self._local:
                file.flush()
                os.fsync(file.fileno())

    def open(self, path: str) -> Any:
        """A file to read."""
        return self.fs.open(path, "rb")

    def size(self, path: str) -> int:
        """Bytes of a file."""
        return int(self.fs.size(path))

    def must_take(self) -> None:
        """Write, read and remove a small file; raises what the store raises."""
        path = f"{self.root}/{UNFINISHED}/probe-{os.getpid()}"
        self.fs.makedirs(f"{self.root}/{UNFINISHED}", exist_ok=True)
        self.fs.pipe_file(path, b"trivet")
        try:
            if self.fs.cat_file(path) != b"trivet":
                raise io.UnsupportedOperation("it does not give back what was written")
        finally:
            self.fs.rm_file(path)

    def _folder(self, table: str, day: date) -> str:
        return f"{self.root}/{table}/day={day}"

    def _clear(self, folder: str) -> None:
        self.fs.invalidate_cache()
        with contextlib.suppress(FileNotFoundError):
            self.fs.rm(folder, recursive=True)

    def _on_disk(self, folder: str) -> None:
        """The names too: a folder of a local disk is written out like a file."""
        if self._local:
            number = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(number)
            finally:
                os.close(number)

"""Recordings that are sent to the server: written to a folder under names of our own, within limits."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

from anyio.to_thread import run_sync

MB = 1_000_000
# What is written at once, and what must stay free on the disk.
_PIECE, _SPARE = 1 * MB, 200 * MB


class Refused(Exception):
    """An upload that is not taken: the status of the answer, and a sentence for the user."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


class Uploads:
    """Takes files of at most `most` bytes into a folder."""

    def __init__(self, folder: Path, most: int) -> None:
        self.folder, self.most = folder, most

    async def save(self, body: AsyncIterator[bytes], announced: int) -> Path:
        """Write a body to a new file; nothing of it stays if that fails.

        Args:
            body: the bytes, in pieces.
            announced: how many there are by the header (0: it does not say); the pieces are counted all the same.

        Raises:
            Refused: it is empty or too large, or the disk is full.
        """
        self._refuse_too_much(announced, announced)
        path = self.folder / uuid4().hex
        try:
            with path.open("xb") as file:
                written = 0
                async for piece in _larger(body):
                    written += len(piece)
                    self._refuse_too_much(written, len(piece))
                    await run_sync(file.write, piece)
            if not written:
                raise Refused(422, "The file is empty.")
        except BaseException as error:
            path.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise Refused(507, f"The file could not be stored: {error.strerror}.") from error
            raise
        return path

    def _refuse_too_much(self, size: int, more: int) -> None:
        if size > self.most:
            raise Refused(413, f"The file is larger than {self.most // MB:,} MB. avsync app --max-upload allows more.")
        if shutil.disk_usage(self.folder).free < more + _SPARE:
            raise Refused(507, "There is too little free space on the disk for this file.")


async def _larger(body: AsyncIterator[bytes]) -> AsyncIterator[bytearray]:
    """Yield the same bytes in fewer pieces."""
    held = bytearray()
    async for piece in body:
        held += piece
        if len(held) >= _PIECE:
            yield held
            held = bytearray()
    if held:
        yield held

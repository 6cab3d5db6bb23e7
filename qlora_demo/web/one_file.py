"""An upload request holds one file and nothing else.

gradio limits the size of each file, and nothing else: a thousand files may come at once, and a field that is no file is kept in memory whole.
"""

from __future__ import annotations

from starlette.formparsers import MultiPartException

LONGEST_HEAD = 4096
ONE = "One file at a time, please. Upload the others after it."
NO_FILE = "This is not the upload of a file."


class OneFile:
    """Looks at a multipart body as it passes by, in pieces of any size. `boundary` is the Content-Type's."""

    def __init__(self, boundary: bytes):
        self._first, self._next = b"--" + boundary + b"\r\n", b"\r\n--" + boundary
        self._head: bytearray | None = bytearray()
        self._tail = b""

    def feed(self, piece: bytes) -> None:
        """Raises MultiPartException with a sentence: gradio then deletes what it has of the file, and answers with the sentence."""
        if self._head is not None:
            self._head += piece
            piece = self._begin(self._head)
        if self._head is None:
            self._look(piece)

    def _begin(self, head: bytearray) -> bytes:
        """What follows the head of the first part, once all of that is there."""
        if not head.startswith(self._first[: len(head)]):
            raise MultiPartException(NO_FILE)
        end = head.find(b"\r\n\r\n")
        if end < 0 and len(head) <= LONGEST_HEAD:
            return b""
        said = bytes(head[:end]).lower()
        if end < 0 or b"filename" not in said or b'name="files"' not in said:
            raise MultiPartException(NO_FILE)
        self._head = None
        return bytes(head[end + 2 :])  # with the line's end, as an empty file has the boundary right there

    def _look(self, piece: bytes) -> None:
        """The next boundary must be the last, which two dashes say."""
        seen = self._tail + piece
        at = seen.find(self._next)
        while at >= 0:
            after = seen[at + len(self._next) : at + len(self._next) + 2]
            if len(after) < 2:
                break
            if after != b"--":
                raise MultiPartException(ONE)
            at = seen.find(self._next, at + 1)
        self._tail = seen[-(len(self._next) + 1) :]

"""Files in another encoding, or compressed, as plain UTF-8.

Contract: a file that is plain UTF-8 already is read where it is. Others are written out into the job's scratch folder
in bounded memory. A byte that the encoding does not have is an error that names file and line.
"""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from dreamsmk.errors import SettingsError, TableError, nearest
from dreamsmk.tasks.sources.file_list import COMPRESSED

_CHUNK_BYTES = 1 << 20
_COMMON = ("utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252", "shift_jis", "gb18030", "euc-kr", "koi8-r")


def check_encoding(encoding: str) -> None:
    """Raises for an encoding that there is not."""
    try:
        is_text = codecs.lookup(encoding)._is_text_encoding
    except LookupError:
        is_text = False
    if not is_text:
        raise SettingsError(
            f"there is no encoding {encoding!r}", where="params.encoding", hint=nearest(encoding, _COMMON)
        )


def plain(path: Path, encoding: str, target: Path) -> Path:
    """Returns the path of a file's text in UTF-8: its own, or that of a copy.

    Args:
        path: The file.
        encoding: Its encoding.
        target: Where the copy would be.

    Raises:
        TableError: The file is not in that encoding, or damaged.
    """
    is_compressed = path.name.lower().endswith(COMPRESSED)
    is_utf8 = codecs.lookup(encoding).name == "utf-8"
    if is_utf8 and not is_compressed:
        return path
    target.parent.mkdir(parents=True, exist_ok=True)
    line = 1
    try:
        with _opened(path, is_compressed) as source, target.open("wb") as sink:
            for text in [] if is_utf8 else _decoded(source, encoding):
                line += text.count("\n")
                sink.write(text.encode())
            while is_utf8 and (chunk := source.read(_CHUNK_BYTES)):
                sink.write(chunk)
    except UnicodeError as exc:
        reason = f"not {encoding}: {exc.reason}" if isinstance(exc, UnicodeDecodeError) else f"not {encoding}: {exc}"
        raise TableError(reason, where=f"{path}, after line {line}", hint="give its encoding=…") from exc
    except (gzip.BadGzipFile, EOFError, zlib.error) as exc:
        raise TableError(f"the compressed file is damaged: {exc}", where=str(path)) from exc
    except OSError as exc:
        raise TableError(f"the file cannot be read: {exc.strerror or exc}", where=str(path)) from exc
    return target


def _opened(path: Path, is_compressed: bool) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if is_compressed else path.open("rb")


def _decoded(source: BinaryIO, encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    while chunk := source.read(_CHUNK_BYTES):
        yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)

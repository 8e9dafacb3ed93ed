"""Which files of a model's repository are downloaded.

Contract: weights are safetensors. Pickled weights, which may run code when they are loaded, are taken only where that
is allowed, and then only where there are no safetensors, or a pattern asks for them. Code is taken only where a pattern
asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from dreamsmk.errors import RequestRejected, nearest

SAFE = ".safetensors"
PICKLED = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy", ".npz"})
_OTHER = frozenset({".h5", ".msgpack", ".ot", ".onnx", ".onnx_data", ".tflite", ".gguf", ".mlmodel", ".nemo", ".tar"})
_CODE = frozenset({".py", ".ipynb", ".sh", ".so", ".dll"})
_HIDDEN = (".gitattributes", ".gitignore")


def choose_files(
    files: Iterable[str], *, allow: Sequence[str], ignore: Sequence[str], allow_pickle: bool, name: str
) -> list[str]:
    """Returns the files to download, sorted.

    Args:
        files: All files of the repository.
        allow: Patterns of files to take; empty for what transformers loads.
        ignore: Patterns of files to leave out.
        allow_pickle: Whether pickled weights may be taken.
        name: What messages call the repository.

    Raises:
        RequestRejected: There is no such file, or only pickled weights.
    """
    have = [file for file in files if not _matches(file, ignore)]
    if allow:
        chosen = [file for file in have if _matches(file, allow)]
        pickled = [file for file in chosen if _suffix(file) in PICKLED]
        if pickled and not allow_pickle:
            raise _refused(name, pickled)
    else:
        left_out = PICKLED | _OTHER | _CODE
        chosen = [file for file in have if _suffix(file) not in left_out and file not in _HIDDEN]
        pickled = [file for file in have if _suffix(file) in PICKLED]
        if pickled and not any(_suffix(file) == SAFE for file in chosen):
            if not allow_pickle:
                raise _refused(name, pickled)
            chosen += pickled
    if not chosen:
        raise RequestRejected(
            f"the model {name!r} has no file that is wanted", where="params.allow", hint=nearest("", files)
        )
    return sorted(chosen)


def one_file(wanted: str, files: Iterable[str], *, allow_pickle: bool, name: str) -> str:
    """Returns a file of the repository.

    Raises:
        RequestRejected: There is no such file, or it is pickled and that is not allowed.
    """
    have = list(files)
    if wanted not in have:
        raise RequestRejected(
            f"the model {name!r} has no file {wanted!r}", where="params.file", hint=nearest(wanted, have)
        )
    if _suffix(wanted) in PICKLED and not allow_pickle:
        raise _refused(name, [wanted])
    return wanted


def _refused(name: str, pickled: Sequence[str]) -> RequestRejected:
    return RequestRejected(
        f"the model {name!r} has pickled weights, which may run code when they are loaded: {', '.join(pickled[:3])}",
        hint="choose a revision with safetensors (as refs/pr/…), or say allow_pickle=True where you trust its authors",
    )


def _matches(file: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(file, f"{pattern}*" if pattern.endswith("/") else pattern) for pattern in patterns)


def _suffix(file: str) -> str:
    return PurePosixPath(file).suffix.lower()


def total_bytes(files: Mapping[str, int], chosen: Iterable[str]) -> int:
    """Returns the size of some files of a repository."""
    return sum(files[file] for file in chosen)

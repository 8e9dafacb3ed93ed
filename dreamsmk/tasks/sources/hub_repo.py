"""A repository of the Hub at one commit: found once, before anything of it is read.

Contract: the commit is resolved first, and all files are read at it. Offline it is the one that the cache knows. What
the record says of a repository stands in its own card; nothing is made up.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import MissingExtra, ServiceUnavailable
from dreamsmk.tasks.sources.hub_errors import Kind, telling

if TYPE_CHECKING:
    from collections.abc import Iterator

CARD = "README.md"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_FRONT_MATTER = re.compile(r"\A\s*---\s*\n(.*?)\n---\s*(?:\n|\Z)", re.DOTALL)
_BIBTEX = re.compile(r"@[A-Za-z]+\s*\{\s*[^,\s{}]+\s*,")


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository at a commit.

    Attributes:
        wanted: The branch, tag or commit that was asked for; None for the main branch.
        commit: The commit, 40 hex digits.
        files: Size in bytes of each file, by its path; None offline.
    """

    kind: Kind
    name: str
    wanted: str | None
    commit: str
    files: dict[str, int] | None = None

    def url(self) -> str:
        """Returns the address of its page at the commit."""
        from huggingface_hub import constants

        place = "datasets/" if self.kind == "dataset" else ""
        return f"{constants.ENDPOINT}/{place}{self.name}/tree/{self.commit}"

    # Any: JSON.
    def about(self) -> dict[str, Any]:
        """Returns the fact `source` of the record: where it is from, and what its card says."""
        text = read_card(self)
        front = _front_matter(text)
        said = {
            "license": _license(front),
            "citations": _citations(text) or None,
            "base_model": front.get("base_model"),
        }
        found = {"kind": self.kind, "name": self.name, "revision": self.commit, "url": self.url()}
        wanted = {"wanted_revision": self.wanted} if self.wanted not in (None, self.commit) else {}
        return found | wanted | {name: value for name, value in said.items() if value}


# Any: JSON of the config.
@contextmanager
def client(settings: Mapping[str, Any]) -> Iterator[None]:
    """Makes the Hub's client ready: offline where the config is, and without progress bars in the log of a job.

    Raises:
        MissingExtra: The client is not installed.
        ServiceUnavailable: It is to be offline, and was loaded before that was known.
    """
    if settings.get("offline"):
        os.environ["HF_HUB_OFFLINE"] = "1"  # read when the client is first imported
    try:
        from huggingface_hub import is_offline_mode
        from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    except ImportError as exc:
        raise MissingExtra("huggingface_hub", "hub") from exc
    if settings.get("offline") and not is_offline_mode():
        raise ServiceUnavailable("the config is offline, and the Hub's client is not", hint="set HF_HUB_OFFLINE=1")
    had_bars = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if had_bars:
            enable_progress_bars()


def find(kind: Kind, name: str, revision: str | None) -> Repository:
    """Returns a repository at the commit that a branch or tag stands for; offline at the one that is cached.

    Raises:
        SettingsError: The name is none.
        ProviderError: There is no such repository or revision, it may not be read, or the Hub cannot be reached.
    """
    from huggingface_hub import HfApi, is_offline_mode
    from huggingface_hub.utils._validators import validate_repo_id

    with telling(kind, name, revision):
        validate_repo_id(name)
        if is_offline_mode():
            return Repository(kind, name, revision, _cached_commit(kind, name, revision))
        ask = HfApi().dataset_info if kind == "dataset" else HfApi().model_info
        info = ask(name, revision=revision, files_metadata=True)
        if info.gated:  # its information is open, and its files may not be
            HfApi().auth_check(name, repo_type=kind)
    files = {sibling.rfilename: sibling.size or 0 for sibling in info.siblings or ()}
    return Repository(kind, name, revision, str(info.sha), files)


def cached_folder(kind: Kind, name: str) -> Path:
    """Returns where the Hub's client caches a repository."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / "--".join([f"{kind}s", *name.split("/")])


def _cached_commit(kind: Kind, name: str, revision: str | None) -> str:
    folder = cached_folder(kind, name)
    if revision and _COMMIT.fullmatch(revision):
        commit = revision
    else:
        ref = folder / "refs" / (revision or "main")
        commit = ref.read_text(encoding="utf-8").strip() if ref.is_file() else ""
    if not commit or not (folder / "snapshots" / commit).is_dir():
        raise ServiceUnavailable(
            f"offline, and the cache has no {kind} {name!r}" + (f" at {revision!r}" if revision else ""),
            where=str(folder),
            hint="unset HF_HUB_OFFLINE, or fill the cache where there is a network",
        )
    return commit


def remember(repository: Repository) -> None:
    """Notes in the cache which commit a branch or tag stood for, as its client does: offline it is asked for that."""
    wanted = repository.wanted or "main"
    if wanted == repository.commit:
        return
    ref = cached_folder(repository.kind, repository.name) / "refs" / wanted
    ref.parent.mkdir(parents=True, exist_ok=True)
    ref.write_text(repository.commit, encoding="utf-8")


def read_card(repository: Repository) -> str:
    """Returns the text of a repository's card; an empty one where it has none."""
    from huggingface_hub import errors, hf_hub_download

    if repository.files is not None and CARD not in repository.files:
        return ""
    with telling(repository.kind, repository.name, repository.commit):
        try:
            path = hf_hub_download(repository.name, CARD, repo_type=repository.kind, revision=repository.commit)
        except errors.LocalEntryNotFoundError:
            if repository.files is None:  # offline
                return ""
            raise
    return Path(path).read_text(encoding="utf-8", errors="replace")


# Any: YAML.
def _front_matter(text: str) -> dict[str, Any]:
    import yaml

    found = _FRONT_MATTER.match(text)
    try:
        read = yaml.safe_load(found[1]) if found else None
    except yaml.YAMLError:
        return {}
    return read if isinstance(read, dict) else {}


# Any: YAML.
def _license(front: dict[str, Any]) -> str | None:
    said = front.get("license")
    if said == "other":
        said = front.get("license_name") or front.get("license_link") or said
    return ", ".join(map(str, said)) if isinstance(said, list) else str(said) if said else None


def _citations(text: str) -> Sequence[str]:
    """Returns the BibTeX entries in a text."""
    found: list[str] = []
    for start in _BIBTEX.finditer(text):
        depth = 1
        for position in range(start.end(), len(text)):
            depth += {"{": 1, "}": -1}.get(text[position], 0)
            if depth == 0:
                found.append(text[start.start() : position + 1])
                break
    return list(dict.fromkeys(found))

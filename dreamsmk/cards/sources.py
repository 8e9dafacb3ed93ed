"""What a workflow started from: files that nobody made, and what its tasks brought in from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dreamsmk.cards.description import Description, View, declared_source, is_model_role
from dreamsmk.cards.privacy import public_path, public_setting
from dreamsmk.cards.trace import Source, Step


# Any: JSON.
def list_sources(view: View) -> list[dict[str, Any]]:
    """Returns all sources of a trace.

    A file that a task reads in and describes (`facts.source`) is one source, not two.
    """
    found = [_read(view, source) for source in view.trace.sources]
    described = {number for source in view.trace.sources for number, _ in source.used_by}
    for step in view.trace.steps:
        declared = declared_source(step)
        if declared and step.number not in described:
            found.append(_brought_in(step, declared))
    return found


# Any: JSON.
def sources_of(step: Step, sources: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Returns those sources of a card that one step read or brought in."""
    return [source for source in sources if step.number in source["used_by"]]


# Any: JSON.
def _read(view: View, source: Source) -> dict[str, Any]:
    path, roles = public_path(source.path), sorted({role for _, role in source.used_by})
    details: Mapping[str, Any] = {}
    about = Description.of(view.described.get(source.path) or view.described.get(path))
    for number, _ in source.used_by:
        declared = declared_source(view.trace.steps[number - 1])
        if declared:
            about, details = about.over(declared), view.trace.steps[number - 1].facts["source"]
            break
    is_model = any(is_model_role(role) for role in roles)
    return {
        "name": about.name or path,
        "kind": about.kind or ("model" if is_model else str(source.entry.get("kind") or "file")),
        "path": path,
        "digest": source.digest,
        "revision": about.revision,
        "rows": source.entry.get("rows"),
        "size_bytes": source.entry.get("size_bytes"),
        **about.to_json(),
        "details": _details(details),
        "used_by": sorted({number for number, _ in source.used_by}),
        "roles": roles,
    }


# Any: JSON.
def _brought_in(step: Step, declared: Description) -> dict[str, Any]:
    role, output = next(iter(sorted(step.record["outputs"].items())))
    return {
        "name": declared.name or public_path(str(output["path"])),
        "kind": declared.kind,
        "path": None,
        "digest": output.get("sha256") or output["digest"],
        "revision": declared.revision,
        "rows": output.get("rows"),
        "size_bytes": output.get("size_bytes"),
        **declared.to_json(),
        "details": _details(step.facts["source"]),
        "used_by": [step.number],
        "roles": [role],
    }


# Any: JSON.
def _details(declared: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what else a task said of a source: package, version, digest of a download."""
    shown = {"name", "url", "card", "card_url", "license", "citation", "citations", "revision", "kind"}
    return dict(public_setting({k: v for k, v in sorted(declared.items()) if k not in shown and v is not None}))

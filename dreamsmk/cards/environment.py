"""The sections of a card on the machine that it was made on, and on making it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dreamsmk.cards.description import NOT_RECORDED, NOT_STATED
from dreamsmk.cards.markup import code, escaped, fenced, folded, link, number, table

_LOCAL = frozenset({"transformers", "echo"})


# Any: JSON.
def environment_section(card: Mapping[str, Any]) -> str:
    """Returns the section; steps that ran in the same environment are told together."""
    several = len(card["environments"]) > 1
    parts = []
    for entry in card["environments"]:
        environment = entry["environment"]
        steps = ", ".join(map(str, entry["steps"]))
        body = table(["", ""], _rows(environment)) if environment else f"{NOT_RECORDED}."
        packages = environment.get("packages") or {}
        if packages:
            listed = "\n".join(f"{name}=={version}" for name, version in sorted(packages.items()))
            body += "\n\n" + folded(f"{len(packages)} packages", fenced(listed, "text"))
        parts.append(f"Step{'s' if len(entry['steps']) > 1 else ''} {steps}:\n\n{body}" if several else body)
    return "## Environment\n\n" + "\n\n".join(parts)


# Any: JSON.
def _rows(environment: Mapping[str, Any]) -> list[list[str]]:
    rows = [
        [title, escaped(environment[name])]
        for name, title in (
            ("dreamsmk", "dreamsmk"),
            ("python", "Python"),
            ("platform", "System"),
            ("processor", "CPU"),
        )
        if environment.get(name)
    ]
    if environment.get("cpu_count"):
        rows.append(["CPU cores", number(environment["cpu_count"])])
    if environment.get("memory_bytes"):
        rows.append(["Memory", f"{environment['memory_bytes'] / 2**30:.1f} GiB"])
    gpus = environment.get("gpus") or []
    return [*rows, ["GPUs", ", ".join(escaped(_gpu(gpu)) for gpu in gpus) or "none"]]


# Any: JSON.
def _gpu(gpu: Any) -> str:
    if isinstance(gpu, Mapping):
        return ", ".join(str(value) for value in gpu.values() if value not in (None, ""))
    return str(gpu)


# Any: JSON.
def reproduce_section(card: Mapping[str, Any]) -> str:
    """Returns the section on making the targets again, and on what cannot be made again."""
    paths = " ".join(target["path"] for target in card["targets"])
    versions = {entry["environment"].get("dreamsmk") for entry in card["environments"]} - {None}
    install = f"dreamsmk=={max(versions)}" if versions else "dreamsmk"
    where = card["stated"]["url"]
    start = f"# in the workflow's folder: {where}\n" if where != NOT_STATED else "# in the workflow's folder\n"
    commands = (
        f"{start}pip install '{install}'\nsnakemake --cores 2 {paths}\ndreamsmk explain {card['targets'][0]['path']}"
    )
    parts = [
        fenced(commands, "bash"),
        "`dreamsmk explain` prints the fingerprint. An equal fingerprint is the same computation on the same inputs; "
        "an equal digest is the same content:",
        table(["Target", "SHA-256"], [[code(t["path"]), code(t["sha256"] or t["digest"])] for t in card["targets"]]),
    ]
    services = [m for m in card["models"] if m["provider"] not in _LOCAL]
    if services:
        names = ", ".join(dict.fromkeys(link(m["name"], m["url"]) for m in services))
        parts.append(
            f"Replies of a service ({names}) cannot be made again with certainty, since it may change behind its name. "
            "They can be replayed: with the call cache of this workflow no service is asked at all."
        )
    if any(m["provider"] == "transformers" for m in card["models"]) or card["training"]:
        parts.append(
            "Local models and trainings are repeatable with the same packages on the same kind of processor; on "
            "another kind the last digits of sums may differ, and with them a word."
        )
    return "## How to reproduce\n\n" + "\n\n".join(parts)

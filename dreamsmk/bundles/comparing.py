"""Whether what was built here is what a bundle says was built there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from dreamsmk.bundles.reading import Bundle
from dreamsmk.store import Home
from dreamsmk.store.entry import parse_action

Verdict = Literal["same bytes", "same rows", "different", "not built"]


@dataclass(frozen=True, slots=True)
class Compared:
    """One output of a bundle's workflow, here and there.

    Attributes:
        rule: The rule that made it there.
        path: Where it stood there.
        verdict: How far they are the same. `not built`: nothing here has the same fingerprint, so that the rule, its
            parameters or its inputs are not the same, or it was not run.
    """

    rule: str
    path: str
    verdict: Verdict


def compare_bundle(bundle: Bundle, home: Home) -> Iterator[Compared]:
    """Yields a line for each output of a bundle."""
    known = {record["fingerprint"]: record for record in bundle.records()}
    for action in bundle.actions():
        fingerprint = action["fingerprint"]
        record = known.get(fingerprint, {"outputs": {}})
        path = home.action(fingerprint)
        try:
            here = parse_action(path.read_bytes(), fingerprint, path)
        except FileNotFoundError:
            here = None
        for role, output in sorted(action["outputs"].items()):
            place = record["outputs"].get(role, {})
            mine = here.outputs.get(role) if here else None
            verdict: Verdict = "not built"
            if mine is not None:
                digests = (mine.content == output["content"], mine.digest == output["digest"])
                verdict = "same bytes" if digests[0] else "same rows" if digests[1] else "different"
            yield Compared(str(record.get("rule", "")), str(place.get("path", role)), verdict)

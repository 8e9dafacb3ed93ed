"""The fingerprint: the identity of a computation, and the preimage that explains it.

Contract: a fingerprint covers the task's name and version, its parameters with defaults filled in, the whole identity
of every model, and the digest of every input by role and order. It never covers paths, rule or target names, threads,
memory, devices, batch size, concurrency, retries, time limits, keys or times. A value that has no canonical form is an
error, never left out. This is what the paper (Table 3) calls the reproducibility fingerprint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dreamsmk.hashing import canonical_bytes, digest_bytes

VERSION = 1


@dataclass(frozen=True, slots=True)
class Preimage:
    """What a fingerprint is the digest of.

    Attributes:
        task: Name of the task.
        version: Version of the task, raised whenever its results change.
        params: Parameters with defaults filled in; aliases of models replaced by their position.
        models: Identity of each model by its position in the parameters.
        inputs: Digests of the inputs by role, in order.
        outputs: Kind of each output by role.
        code: Digest of each user function, by the parameter that names it.
    """

    task: str
    version: str
    # Any: JSON.
    params: Mapping[str, Any]
    models: Mapping[str, Mapping[str, Any]]
    inputs: Mapping[str, Sequence[str]]
    outputs: Mapping[str, str]
    code: Mapping[str, str]

    def canonical(self) -> dict[str, Any]:
        """Returns the plain JSON value that is hashed and kept."""
        return {
            "v": VERSION,
            "task": {"name": self.task, "version": self.version},
            "params": dict(self.params),
            "models": {k: dict(v) for k, v in self.models.items()},
            "inputs": {k: list(v) for k, v in self.inputs.items()},
            "outputs": dict(self.outputs),
            "code": dict(self.code),
        }

    def fingerprint(self) -> str:
        """Returns `xxh3:` and 32 hexadecimal digits."""
        return digest_bytes(canonical_bytes(self.canonical()))

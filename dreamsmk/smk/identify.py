"""From a job's parameters, inputs and models to its fingerprint: the same steps in Snakemake's process and in the job.

Contract: whoever calls `identify` with the same files on disk gets the same fingerprint. A file that does not exist
yet, or no more (a `temp()` input), counts with the last digest that it was seen with.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import SettingsError, nearest
from dreamsmk.hashing import Algorithm, DigestMemo, Kind
from dreamsmk.providers import PROVIDERS, provider_class, resolve_identity
from dreamsmk.providers.tuned import tuned_path
from dreamsmk.requests import ModelIdentity
from dreamsmk.settings import ModelSpec, Settings, function_references, identity_params, model_aliases
from dreamsmk.smk.meta import Role, RuleMeta
from dreamsmk.smk.roles import declared_only
from dreamsmk.store import Preimage

if TYPE_CHECKING:
    from dreamsmk.hashing.code import CodeIdentity

NOT_YET = "not there yet"
# The same text may be two tables: what a suffix has it read as is part of what it is. A .csv file is the plain case.
READ_AS = {".tsv": "tsv", ".txt": "text", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl"}


@dataclass(frozen=True, slots=True)
class Identified:
    """A job with its identity.

    Attributes:
        aliases: The alias of each model by its position in the parameters.
        identities: The identity of each model by its alias.
        code: The identity of each function of the user's by its position in the parameters.
    """

    preimage: Preimage
    fingerprint: str
    aliases: Mapping[str, str]
    identities: Mapping[str, ModelIdentity]
    code: Mapping[str, CodeIdentity]


def identify(  # noqa: PLR0913 - each is one part of the identity
    meta: RuleMeta,
    # Any: JSON.
    params: Mapping[str, Any],
    inputs: Mapping[str, list[Path]],
    *,
    outputs: Mapping[str, Path | Sequence[Path]],
    settings: Settings,
    memo: DigestMemo,
    extra: Mapping[str, Any] | None = None,
) -> Identified:
    """Returns a job's fingerprint and what it is made of.

    Args:
        meta: The rule.
        params: Validated parameters with defaults filled in.
        inputs: Paths by role.
        outputs: What the job makes, by role: of the paths only a suffix counts, where it decides what is made.
        settings: The config.
        memo: Gives the digests of files.
        extra: What else the task's result depends on, merged into the parameters.

    Raises:
        SettingsError: A parameter names a model that the config does not have, or a function that is not there.
    """
    aliases, functions, kept = _named(meta, params)
    identities = {alias: model_identity(spec_of(alias, settings), memo) for alias in set(aliases.values())}
    code = _identify_functions(functions)
    preimage = Preimage(
        task=meta.name,
        version=meta.version,
        params={**kept, **(extra or {})},
        models={
            position: identity_json(identities[alias]) | {"sampling": spec_of(alias, settings).group("sampling")}
            for position, alias in aliases.items()
        },
        inputs={
            role: [_input_digest(memo, path, meta.inputs.get(role)) for path in paths]
            for role, paths in declared_only(inputs, meta.inputs).items()
        },
        outputs={
            role: f"{declared.kind} {_suffix(outputs[role])}" if declared.suffixes else declared.kind
            for role, declared in meta.outputs.items()
            if role in outputs
        },
        code={position: identity.digest for position, identity in code.items()},
    )
    return Identified(preimage, preimage.fingerprint(), aliases, identities, code)


# Any: JSON.
def _named(meta: RuleMeta, params: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str], dict[str, Any]]:
    """Returns the aliases and the functions that parameters name, by position, and what else of them is identity.

    Jobs of one rule mostly share their parameters, so that it is worked out once for each set of them.
    """
    key = (meta.name, repr(params))
    if key not in _KNOWN:
        _KNOWN[key] = _worked_out(meta, params)
    return _KNOWN[key]


# Any: JSON.
def _worked_out(meta: RuleMeta, params: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str], dict[str, Any]]:
    aliases, functions = model_aliases(meta.params, params), function_references(meta.params, params)
    return aliases, functions, _without_names(identity_params(meta.params, params), {*aliases, *functions})


# Any: JSON.
_KNOWN: dict[tuple[str, str], tuple[dict[str, str], dict[str, str], dict[str, Any]]] = {}


def _identify_functions(functions: Mapping[str, str]) -> dict[str, CodeIdentity]:
    if not functions:
        return {}
    from dreamsmk.hashing.code import identify_function

    return {position: identify_function(reference, base=Path()) for position, reference in functions.items()}


def spec_of(alias: str, settings: Settings) -> ModelSpec:
    """Returns the model spec of an alias."""
    if alias not in settings.models:
        raise SettingsError(
            f"the config has no model {alias!r}", where=f"models.{alias}", hint=nearest(alias, settings.models)
        )
    return settings.models[alias]


def local_folders(spec: ModelSpec) -> dict[str, Path]:
    """Returns what of a model spec may name a folder or a file on this machine, by field."""
    tuned = tuned_path(spec)
    if tuned is not None:
        return {"model": tuned}
    if spec.provider not in PROVIDERS or not provider_class(spec.provider).capabilities.is_local:
        return {}
    return {name: Path(value) for name in ("model", "adapter") if (value := getattr(spec, name))}


def model_identity(spec: ModelSpec, memo: DigestMemo) -> ModelIdentity:
    """Returns the identity of a spec's model: folders and files by content, never by path."""
    gone: dict[str, Any] = {}  # Any: values of dataclasses.replace
    for name, folder in local_folders(spec).items():
        if not folder.exists() and (last := memo.last(folder, "auto", "sha256")):
            gone[name] = last
    if gone:
        spec = dataclasses.replace(spec, **gone)
    return resolve_identity(spec, lambda folder: _digest(memo, folder, "auto", "sha256"))


# Any: JSON.
def identity_json(identity: ModelIdentity) -> dict[str, Any]:
    """Returns an identity as JSON, without what is not set."""
    return {k: v for k, v in dataclasses.asdict(identity).items() if v not in (None, {}, "")}


def _input_digest(memo: DigestMemo, path: Path, declared: Role | None) -> str:
    digest = _digest(memo, path)
    read_as = READ_AS.get(path.suffix.lower()) if declared is not None and declared.kind == "table" else None
    return f"{digest} as {read_as}" if read_as else digest


def _suffix(made: Path | Sequence[Path]) -> str:
    return (made if isinstance(made, Path) else made[0]).suffix


def _digest(memo: DigestMemo, path: Path, kind: Kind = "auto", algorithm: Algorithm = "xxh3") -> str:
    if path.exists():
        return memo.of(path, kind, algorithm)
    return memo.last(path, kind, algorithm) or NOT_YET


# Any: JSON.
def _without_names(params: Mapping[str, Any], positions: Collection[str]) -> dict[str, Any]:
    """Returns the parameters without aliases and functions: how a model or a file is called is not what it is."""
    kept: dict[str, Any] = {}
    for name, value in params.items():
        if name in positions:
            continue
        if isinstance(value, Mapping) and any(f"{name}/{key}" in positions for key in value):
            kept[name] = dict.fromkeys(value)
        elif isinstance(value, list) and f"{name}/0" in positions:
            kept[name] = len(value)
        else:
            kept[name] = value
    return kept

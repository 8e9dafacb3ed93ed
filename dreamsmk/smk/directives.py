"""What a `rule.smk` writes into its directives.

Contract: each of these is evaluated by Snakemake at the moment that it chooses; none reads a file's content when a
stat will do, and none loads a heavy library.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from dreamsmk.errors import DreamsmkError, SettingsError
from dreamsmk.settings import ModelSpec, model_aliases
from dreamsmk.smk.again import ask_again_since
from dreamsmk.smk.binding import MODULE_PARAM, Binding, binding_of, raw_params
from dreamsmk.smk.identify import identify
from dreamsmk.smk.meta import rules_folder
from dreamsmk.smk.outdated import Makers
from dreamsmk.smk.roles import paths_by_role
from dreamsmk.store.placements import open_placements

# More than this many threads do not make one local model faster on any machine that was measured; Snakemake lowers
# the number to what `--cores` allows.
LOCAL_THREADS = 8

INVALID = "invalid"
DAMAGED = "damaged"
OUTDATED = "outdated"

# The attribute of a workflow that is set while Snakemake finds out what to run: a function that gives the placements of
# a home as they were when it began.
PLANNING = "_dreamsmk_placements"
_LOOKS_AT_OUTPUTS = "_dreamsmk_looks_at_outputs"


# Any: Snakemake's Workflow.
@contextmanager
def planning(workflow: Any, *, looks_at_outputs: bool = True) -> Iterator[None]:
    """Says that Snakemake is finding out what to run.

    Args:
        workflow: The workflow.
        looks_at_outputs: Whether a damaged output is a reason. It is none for who only looks: `explain` tells damaged
            outputs itself, and compares what is in them.
    """
    setattr(workflow, PLANNING, lru_cache(lambda home: open_placements(home).snapshot()))
    setattr(workflow, _LOOKS_AT_OUTPUTS, looks_at_outputs)
    try:
        yield
    finally:
        setattr(workflow, PLANNING, None)


class Fingerprint:
    """The parameter whose value is the job's fingerprint, so that Snakemake compares it between runs.

    It takes `**offered`, not `input`: Snakemake hands its inputs to such a function, and still records and compares
    what it returns, which it does not for functions that name `input` (`Rule._is_deriving_function`, Snakemake 9.27).

    Args:
        workflow: Snakemake's workflow.
        config: The module's config.
        name: The rule's name in the library.
    """

    # Any: Snakemake's Workflow.
    def __init__(self, workflow: Any, config: Any, name: str) -> None:
        self.workflow = workflow
        self.binding = Binding(config, name)
        self._makers = Makers(workflow)
        # how many rules the workflow had when it was last asked, and those of them that have this parameter
        self._read: tuple[int, list[Any]] = (0, [])
        _declare(self)

    # Any: Snakemake's Wildcards and lists of files.
    def __call__(self, wildcards: Any, **offered: Any) -> str:
        """Returns the fingerprint of a job, or `INVALID` where it has none."""
        rule = self._rule(offered["output"])
        binding = binding_of(rule) or self.binding
        try:
            where = f"rule {rule.name}"
            params = binding.params(raw_params(rule, wildcards, offered), where=where)
            inputs = paths_by_role(offered["input"], binding.meta.inputs, where=where)
            outputs = paths_by_role(offered["output"], binding.meta.outputs, where=where)
            fingerprint = identify(
                binding.meta,
                params,
                inputs,
                outputs=outputs,
                settings=binding.settings,
                memo=binding.memo,
                extra=extra_identity(binding, inputs, params),
            ).fingerprint
            if self.is_planning:
                if self._is_damaged(fingerprint, outputs):
                    return f"{DAMAGED} {fingerprint}"
                if self._has_outdated(inputs):
                    return f"{OUTDATED} {fingerprint}"
            return fingerprint
        except (DreamsmkError, OSError):
            # the graph's check reports it, in words; here Snakemake would wrap it in a trace
            return INVALID

    @property
    def is_planning(self) -> bool:
        """Whether Snakemake is finding out what to run: only then is a damaged output a reason, never when it runs."""
        return getattr(self.workflow, PLANNING, None) is not None

    def _is_damaged(self, fingerprint: str, outputs: Mapping[str, list[Path]]) -> bool:
        """Says whether an output is no longer what this fingerprint put there: Snakemake never looks at outputs."""
        if not getattr(self.workflow, _LOOKS_AT_OUTPUTS, True):
            return False
        snapshot, memo = getattr(self.workflow, PLANNING)(self.binding.home), self.binding.memo
        for path in (path for paths in outputs.values() for path in paths):
            made_by, digest = snapshot.at(path) or ("", "")
            if made_by == fingerprint and path.exists() and memo.of(path) != digest:
                return True
        return False

    def _has_outdated(self, inputs: Mapping[str, list[Path]]) -> bool:
        snapshot = getattr(self.workflow, PLANNING)(self.binding.home)
        return self._makers.has_outdated((path for paths in inputs.values() for path in paths), snapshot)

    # Any: Snakemake's list of files and Rule.
    def _rule(self, output: Any) -> Any:
        """Finds the rule that is asking: `use rule a as b` makes two rules share this object."""
        rules = list(self.workflow.rules)
        if len(rules) != self._read[0]:
            self._read = (len(rules), [rule for rule in rules if any(param is self for param in rule.params)])
        candidates = self._read[1]
        if len(candidates) > 1:
            candidates = [r for r in candidates if any(pattern.match(output[0]) for pattern in r.output)]
        return candidates[0]

    def __repr__(self) -> str:
        return f"Fingerprint({self.binding.meta.name!r})"


# Any: JSON.
def extra_identity(binding: Binding, inputs: Mapping[str, list[Path]], params: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a task depends on beside its parameters and files: a card depends on its target's ancestors."""
    work_out = binding.meta.load_extra_identity()
    return work_out(binding.home.path, inputs, binding.config, params) if work_out else {}


def threads(workflow: Any) -> Callable[..., int]:
    """Returns the function that asks for several threads where a model runs in the job, and for one elsewhere."""

    def local_threads(wildcards: Any, rulename: str) -> int:
        return LOCAL_THREADS if _any_local(workflow, rulename, wildcards) else 1

    return _declare(local_threads)


def gpu(workflow: Any) -> Callable[..., int]:
    """Returns the function that asks for a GPU where a model runs in the job."""

    def local_gpu(wildcards: Any, rulename: str) -> int:
        return 1 if _any_local(workflow, rulename, wildcards) else 0

    return _declare(local_gpu)


def gpu_manufacturer(workflow: Any) -> Callable[..., str | None]:
    """Returns the function that names whose GPU it is, which Kubernetes wants to know."""

    def manufacturer(wildcards: Any, rulename: str) -> str | None:
        return "nvidia" if _any_local(workflow, rulename, wildcards) else None

    return _declare(manufacturer)


def api(workflow: Any) -> Callable[..., int]:
    """Returns the function that asks for a slot of the `api` resource where a service is called."""

    def service_slot(wildcards: Any, rulename: str) -> int:
        specs = _specs(workflow, rulename, wildcards)
        return 1 if any(not _is_local(spec) for spec in specs) else 0

    return _declare(service_slot)


def wrapper() -> str:
    """Returns the address of the one wrapper that runs every rule."""
    return f"file://{rules_folder()}/wrapper"


def module_of(config: Any, name: str) -> Callable[..., Any]:
    """Returns the function that hands a job what it cannot see: its rule in the library, the module's config, and more.

    That is since when replies count, and which of its outputs are folders. It names `input`, and so Snakemake neither
    records nor compares its value: what of the config matters is in the fingerprint.
    """
    replies_since = ask_again_since()  # now, when the rule is read: before any job of the run

    def module(wildcards: Any, input: Any, output: Any = ()) -> Any:
        made = [str(path) for path in output if any(pattern.match(path) for pattern in folders)]
        return {"rule": name, "config": dict(config or {}), "replies_since": replies_since, "folders": made}

    folders: list[Any] = []  # Any: Snakemake's files
    module.folders = folders  # type: ignore[attr-defined]
    return _declare(module)


# Any: Snakemake's Rule.
def note_folders(rule: Any) -> None:
    """Notes which outputs of a rule are folders: Snakemake tells its rules, and not its jobs."""
    getattr(rule.params, MODULE_PARAM).folders.extend(path for path in rule.output if path.is_directory)


F = TypeVar("F", bound=Callable[..., Any])


def _declare(function: F) -> F:
    """Writes a function's signature where Snakemake looks first (9.27): else it is worked out for every job anew."""
    function._overwrite_params = inspect.signature(function).parameters  # type: ignore[attr-defined]
    return function


def _any_local(workflow: Any, rulename: str, wildcards: Any) -> bool:
    return any(_is_local(spec) for spec in _specs(workflow, rulename, wildcards))


def _specs(workflow: Any, rulename: str, wildcards: Any) -> list[ModelSpec]:
    rule = workflow.get_rule(rulename)
    binding = binding_of(rule)
    if binding is None:
        return []
    try:
        params = binding.params(raw_params(rule, wildcards, {}), where=f"rule {rulename}")
        aliases = model_aliases(binding.meta.params, params)
        models = binding.settings.models
    except (DreamsmkError, TypeError):
        # reported by the graph's check; a parameter function that wants inputs cannot be asked this early
        return []
    return [models[alias] for alias in aliases.values() if alias in models]


def _is_local(spec: ModelSpec) -> bool:
    from dreamsmk.providers import provider_class

    try:
        return provider_class(spec.provider).capabilities.is_local
    except SettingsError:
        return False  # no such provider: reported by the graph's check

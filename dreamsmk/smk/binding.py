"""One rule of a workflow that is one of ours: its meta, its config, and the parameters that its jobs get.

Contract: what a job's parameters are is worked out the same way for a rule, for a job of the graph and inside the job:
without the two parameters of our own, with wildcards filled in, validated, with defaults.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping
from copy import copy, deepcopy
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from dreamsmk.hashing import DigestMemo
from dreamsmk.settings import Settings, load_settings, validate_params
from dreamsmk.smk.free_roles import with_roles_of
from dreamsmk.smk.meta import RuleMeta, load_meta
from dreamsmk.store import Home

FINGERPRINT_PARAM = "dreamsmk"
MODULE_PARAM = "dreamsmk_module"
OWN_PARAMS = frozenset({FINGERPRINT_PARAM, MODULE_PARAM})


class Binding:
    """Ties one rule of the library to the config that its module was given.

    Args:
        config: The config of the module, as Snakemake hands it over.
        name: The rule's name in the library.
    """

    # Any: YAML.
    def __init__(self, config: Mapping[str, Any] | None, name: str) -> None:
        self.config = dict(config or {})
        self.meta: RuleMeta = load_meta(name)
        self._settings: Settings | None = None
        # Any: JSON.
        self._validated: dict[str, dict[str, Any]] = {}

    @property
    def settings(self) -> Settings:
        """The typed config."""
        if self._settings is None:
            self._settings = load_settings(self.config)
        return self._settings

    @cached_property
    def home(self) -> Home:
        """The folder of dreamsmk's state."""
        return Home.of(self.settings.home)

    @property
    def calls(self) -> str | Path:
        """The call cache: a file, or the URL of a database."""
        where = self.settings.cache
        if where is None:
            return self.home.calls
        # a run with nothing to do asks nobody, and loads nothing for it
        from dreamsmk.calls import is_url

        return where if is_url(where) else Path(where)

    @cached_property
    def memo(self) -> DigestMemo:
        """The digests of files, remembered."""
        return open_memo(self.home)

    # Any: Snakemake's lists of files.
    def for_files(self, inputs: Any, outputs: Any, folders: Collection[str]) -> Binding:
        """Returns the binding with the roles that these files have, where the rule leaves their names open.

        Args:
            inputs: The inputs of a rule of a workflow, or of a job.
            outputs: Its outputs.
            folders: Those of the outputs that are folders.
        """
        if not self.meta.free_roles:
            return self
        bound = copy(self)
        bound.meta = with_roles_of(self.meta, inputs, outputs, folders)
        return bound

    # Any: YAML.
    def params(self, raw: Mapping[str, Any], *, where: str) -> dict[str, Any]:
        """Returns validated parameters with defaults filled in.

        Raises:
            SettingsError: A name, a type or a value is wrong.
        """
        given = {name: value for name, value in raw.items() if name not in OWN_PARAMS}
        # jobs of one rule mostly share their parameters, and a graph has thousands of jobs. By repr, which tells apart
        # what JSON writers confuse: NaN and null, a date and its text
        text = repr(given)
        if text not in self._validated:
            self._validated[text] = validate_params(self.meta.params, given, where=where)
        return deepcopy(self._validated[text])


@cache
def open_memo(home: Home) -> DigestMemo:
    """Returns the stat memo of a home, opened once a process."""
    home.path.mkdir(parents=True, exist_ok=True)
    return DigestMemo(home.digests)


# Any: Snakemake's Rule, which has no published types.
def binding_of(rule: Any) -> Binding | None:
    """Returns the binding of a rule of a workflow; None if the rule is not one of ours."""
    value = getattr(rule.params, FINGERPRINT_PARAM, None)
    binding = getattr(value, "binding", None)
    if not isinstance(binding, Binding):
        return None
    if not binding.meta.free_roles:
        return binding
    return binding.for_files(rule.input, rule.output, {str(path) for path in rule.output if path.is_directory})


# Any: Snakemake's Rule and Wildcards.
def raw_params(rule: Any, wildcards: Any, offered: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a job's named parameters from its rule, as Snakemake would expand them, without our own.

    Args:
        rule: The rule.
        wildcards: The job's wildcards.
        offered: What parameter functions may ask for: input, output, threads, resources.
    """
    return dict(_expanded(rule, wildcards, offered))


def _expanded(rule: Any, wildcards: Any, offered: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for position, (name, value) in enumerate(rule.params._allitems()):
        if name in OWN_PARAMS:
            continue
        if callable(value):
            wanted = inspect.signature(value).parameters
            takes_all = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in wanted.values())
            expanded = value(wildcards, **{k: v for k, v in offered.items() if takes_all or k in wanted})
        else:
            expanded = _filled(value, wildcards)
        yield name or f"parameter {position + 1}", expanded


def _filled(value: Any, wildcards: Any) -> Any:
    from snakemake.io import apply_wildcards

    if isinstance(value, str):
        return apply_wildcards(value, dict(wildcards.items()))
    if isinstance(value, list):
        return [_filled(item, wildcards) if isinstance(item, str) else item for item in value]
    return value

"""What dreamsmk adds to a workflow after Snakemake has read it: logs, edges to local models, and the graph's check.

Contract: everything here is set on this one workflow object. `install` wraps two of its methods (`check`, called when
all rules are known, and `_build_dag`, called when all jobs are); a Snakemake without them still builds right, and then
reports wrong parameters when the job starts instead of before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dreamsmk.errors import DreamsmkError, SettingsError, nearest
from dreamsmk.settings import model_aliases
from dreamsmk.smk.accelerate import accelerate
from dreamsmk.smk.afterwards import keep_books
from dreamsmk.smk.binding import Binding, binding_of, raw_params
from dreamsmk.smk.braces import keep_braces
from dreamsmk.smk.checks import check_jobs
from dreamsmk.smk.directives import note_folders, planning
from dreamsmk.smk.identify import local_folders, spec_of
from dreamsmk.smk.meta import rule_names
from dreamsmk.smk.refusal import refusal
from dreamsmk.smk.roles import ADAPTER_PREFIX, MODEL_PREFIX
from dreamsmk.smk.scatter import scatter_rules, target_gathered

_INSTALLED = "_dreamsmk_installed"


# Any: Snakemake's Workflow.
def install(workflow: Any) -> None:
    """Lets a workflow complete its rules when it has read them all, and check its jobs before the first one starts."""
    if getattr(workflow, _INSTALLED, False):
        return
    setattr(workflow, _INSTALLED, True)
    accelerate()
    keep_books()
    read_all, build = workflow.check, getattr(workflow, "_build_dag", None)
    prepare = workflow._prepare_dag

    def check() -> None:
        _translated(lambda: scatter_rules(workflow))
        for rule in list(workflow.rules):
            if binding := binding_of(rule):
                _translated(lambda rule=rule, binding=binding: _complete(workflow, rule, binding))
        read_all()

    # Any: whatever Snakemake hands over.
    def prepare_dag(*given: Any, **named: Any) -> None:
        target_gathered(workflow)
        prepare(*given, **named)

    def build_dag() -> None:
        assert build is not None
        with planning(workflow):
            build()
        if workflow.is_main_process:
            _translated(lambda: check_jobs(workflow))

    workflow.check = check
    workflow._prepare_dag = prepare_dag
    if build is not None:
        workflow._build_dag = build_dag


def complete(workflow: Any, name: str) -> None:
    """Gives a rule that was just read its log and benchmark files, where the user gave none.

    They cannot stand in `rule.smk`: they must have the wildcards of the output that the user's `with:` gives.
    """
    alias = workflow.modifier.modify_rulename(name)
    if workflow.is_rule(alias):
        _set_log(workflow, workflow.get_rule(alias))


def _complete(workflow: Any, rule: Any, binding: Binding) -> None:
    _set_log(workflow, rule)
    keep_braces(rule, binding.meta)
    if binding.meta.free_roles:
        note_folders(rule)
    binding.settings  # noqa: B018 - a wrong config is reported here, before anything is worked out
    if _depends_on_wildcards(rule):
        _add_input(workflow, rule, MODEL_PREFIX + "of_wildcards", _ModelsOfJob(workflow, rule, binding).paths)
        return
    for name, folder in _ModelsOfJob(workflow, rule, binding).by_name(dict.fromkeys(rule.wildcard_names, "0")).items():
        if not hasattr(rule.input, name):
            _add_input(workflow, rule, name, folder)


# Any: a path, or a function of wildcards.
def _add_input(workflow: Any, rule: Any, name: str, path: Any) -> None:
    """Adds an input as it stands: a `prefix:` of the module is for the module's own paths."""
    from snakemake.path_modifier import PathModifier

    usual, rule.input_modifier = rule.input_modifier, PathModifier(None, None, workflow)
    rule.set_input(**{name: path})
    rule.input_modifier = usual


def _depends_on_wildcards(rule: Any) -> bool:
    """Says whether wildcards pick a model, such as that of a round: by a function, or in its name."""
    models = [value for name, value in rule.params._allitems() if name and "model" in name]
    return any(callable(value) or (isinstance(value, str) and "{" in value) for value in models)


def _set_log(workflow: Any, rule: Any) -> None:
    wildcards = [f"{name}-{{{name}}}" for name in sorted(rule.wildcard_names)]
    modifier = workflow.modifier.path_modifier
    rule.log_modifier = rule.log_modifier or modifier
    rule.benchmark_modifier = rule.benchmark_modifier or modifier
    if not rule.log:
        rule.set_log("/".join([workflow.pathvars.apply("<logs>"), rule.name, *wildcards]) + ".log")
    if not rule.benchmark:
        rule.benchmark = "/".join([workflow.pathvars.apply("<benchmarks>"), rule.name, *wildcards]) + ".tsv"


@dataclass(frozen=True, slots=True)
class _ModelsOfJob:
    """The local model folders and files that a rule's jobs read, so that Snakemake makes them first."""

    # Any: Snakemake's Workflow and Rule.
    workflow: Any
    rule: Any
    binding: Binding

    def by_name(self, wildcards: Mapping[str, str]) -> dict[str, str]:
        """Returns them by the name of the input that stands for each."""
        from snakemake.iocontainers import Wildcards

        raw = raw_params(self.rule, Wildcards(fromdict=dict(wildcards)), {})
        wanted = {}
        for alias in model_aliases(self.binding.meta.params, raw).values():
            spec = spec_of(alias, self.binding.settings)
            for field, folder in local_folders(spec).items():
                prefix = MODEL_PREFIX if field == "model" else ADAPTER_PREFIX
                if folder.exists() or _is_made(self.workflow, str(folder)):
                    wanted[prefix + alias] = str(folder)
        return wanted

    # Any: Snakemake's wildcards.
    def paths(self, wildcards: Any) -> list[str]:
        """An input function: those of the job with these wildcards."""
        found: list[str] = _translated(lambda: list(self.by_name(dict(wildcards.items())).values()))
        return found


def _is_made(workflow: Any, path: str) -> bool:
    return any(output.match(path) for rule in workflow.rules for output in rule.output)


# Any: a function without arguments, and what it returns.
def _translated(step: Any) -> Any:
    try:
        return step()
    except DreamsmkError as exc:
        raise refusal(exc) from exc


def wanted_rules(workflow: Any) -> list[str]:
    """Returns the rules that a `use rule` statement asks for; all of them for `use rule *`.

    Raises:
        WorkflowError: The library has no such rule.
    """
    names = rule_names()
    whitelist = workflow.modifier.rule_whitelist
    for name in whitelist or ():
        if name not in names:
            raise refusal(SettingsError(f"dreamsmk has no rule {name!r}", hint=nearest(name, names)))
    return [name for name in names if whitelist is None or name in whitelist]

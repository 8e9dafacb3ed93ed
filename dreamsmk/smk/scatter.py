"""A row-wise rule in shards: `params: shards=8` makes eight jobs of one, each over a piece of the table, and gathers.

    use rule process_with_prompt from dream as tweets with:
        input: "papers.parquet"
        output: "results/tweets.parquet"
        params: model="teacher", inputs="abstract", instruction="Write a tweet.", shards=8

Three rules come of it: `tweets_shard` cuts a piece of the table, `tweets` is the user's rule over one piece, and
`tweets_gather` makes the user's output of the pieces. The pieces lie in `shards/` beside that output.

Contract: how many shards there are decides no row of the result: what a piece becomes depends on its content alone.
Whoever names the rule as a target, or asks `rules.tweets` for its output, gets the gathered table. It is done when
Snakemake has read all rules, with the rule's own `RuleInfo` (9.27), as a local `use rule tweets as …` would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

from dreamsmk.errors import SettingsError
from dreamsmk.smk.binding import FINGERPRINT_PARAM, MODULE_PARAM, Binding, binding_of
from dreamsmk.smk.directives import Fingerprint, module_of
from dreamsmk.smk.meta import SHARDS_PARAM, Role, load_meta
from dreamsmk.smk.piece_paths import ITEM, input_piece, items, output_piece, with_item

_GATHERED = "_dreamsmk_gathered"


# Any: Snakemake's Workflow.
def scatter_rules(workflow: Any) -> None:
    """Turns each rule that is to be made in shards into three.

    Raises:
        SettingsError: A rule that is to be made in shards is not row-wise, or says too little.
    """
    gathered: dict[str, str] = {}
    for rule in list(workflow.rules):
        binding = binding_of(rule)
        if binding is not None and (shards := _shards(workflow, rule, binding)) > 1:
            name = rule.name
            gathered[name] = _scatter(_Scattered(workflow, rule, name, binding, shards))
    setattr(workflow, _GATHERED, gathered)


# Any: Snakemake's Workflow.
def target_gathered(workflow: Any) -> None:
    """Lets a rule in shards that is named as a target stand for its gathered table, as it would without shards."""
    gathered, settings = getattr(workflow, _GATHERED, {}), workflow.dag_settings
    if settings.forcetargets:
        settings.forcerun = frozenset({*settings.forcerun, *gathered.keys() & set(settings.targets)})
    for field in ("targets", "until"):
        named = getattr(settings, field)
        if not gathered.keys().isdisjoint(named):
            setattr(settings, field, type(named)(gathered.get(target, target) for target in named))


@dataclass(frozen=True, slots=True)
class _Scattered:
    """A rule that is to be made in shards."""

    # Any: Snakemake's Workflow and Rule.
    workflow: Any
    rule: Any
    name: str
    binding: Binding
    shards: int

    @property
    def where(self) -> str:
        """What messages call it."""
        return f"rule {self.name}, params.{SHARDS_PARAM}"


# Any: Snakemake's Workflow and Rule.
def _shards(workflow: Any, rule: Any, binding: Binding) -> int:
    """Returns in how many shards a rule is to be made; `--set-scatter NAME=N` overrides what the rule says."""
    given = getattr(rule.params, SHARDS_PARAM, None)
    if given is None:
        return 1
    where = f"rule {rule.name}, params.{SHARDS_PARAM}"
    if binding.meta.row_wise is None:
        raise SettingsError(
            f"{binding.meta.name} cannot be made in shards: what it makes of a row depends on other rows",
            where=where,
            hint=f"leave {SHARDS_PARAM} out; the rules before and after it may have it",
        )
    if not isinstance(given, int) or isinstance(given, bool) or given < 1:
        raise SettingsError(f"{given!r} is no number of shards", where=where, hint="give a whole number from 1")
    shards: int = workflow.resource_settings.overwrite_scatter.get(rule.name, given)
    return shards


def _scatter(given: _Scattered) -> str:
    """Puts three rules in the place of one; returns the name of that which makes the user's output."""
    workflow, rule, info = given.workflow, given.rule, given.rule.ruleinfo
    role = str(given.binding.meta.row_wise)
    _check_params(given)
    inputs = _inputs_by_role(info.input, given.binding.meta.inputs, given.where)
    if role not in inputs:
        raise SettingsError(f"shards need the input {role!r}", where=given.where)
    output = _output(info.output, given.where)
    shard, gather = f"{given.name}_shard", f"{given.name}_gather"
    target, proxies = workflow.default_target, _withdraw(workflow, rule, gather)
    _add(workflow, rule, shard, _cutting(given, inputs.pop(role), output))
    piece = _outputs(workflow, shard)[0]
    _add(workflow, rule, given.name, _working(given, {role: piece, **inputs}, output))
    made = str(_outputs(workflow, given.name)[0])
    gathering = _add(workflow, rule, gather, _gathering(given, made))
    # a pattern of the user's may match the pieces too
    gathering.dependencies.update(dict.fromkeys(gathering.input, given.name))
    _offer(workflow, proxies, gathering)
    workflow.default_target = gather if target == given.name else target
    return gather


# Any: an input and an output as the user wrote them, and Snakemake's RuleInfo.
def _cutting(given: _Scattered, table: Any, output: Any) -> Any:
    info = _plain(given, "shard", params={"shard": f"{{{ITEM}}}", "layout": "steady"})
    info.input = info.input._replace(paths=(), kwpaths={"table": table})
    info.output = info.output._replace(paths=(), kwpaths={"table": input_piece(output)})
    info.wildcard_constraints = _constrained(info)
    return info


# Any: as above.
def _working(given: _Scattered, inputs: Mapping[str, Any], output: Any) -> Any:
    """Returns the user's rule over one piece: all that stands in it but the table that it reads and that it makes."""
    info = copy(given.rule.ruleinfo)
    info.name, info.default_target = None, False
    positional, named = info.params
    info.params = (positional, {name: value for name, value in named.items() if name != SHARDS_PARAM})
    info.input = info.input._replace(paths=(), kwpaths=inputs)
    role = next(iter(given.binding.meta.outputs))
    info.output = info.output._replace(paths=(), kwpaths={role: output_piece(output)})
    info.log = info.log and info.log._replace(paths=[with_item(path) for path in info.log.paths], kwpaths={})
    info.benchmark = info.benchmark and info.benchmark._replace(paths=with_item(info.benchmark.paths))
    info.wildcard_constraints = _constrained(info)
    return info


# Any: Snakemake's RuleInfo.
def _gathering(given: _Scattered, piece: str) -> Any:
    from snakemake.path_modifier import PathModifier

    info = _plain(given, "gather", params={})
    pieces = [piece.replace(f"{{{ITEM}}}", item) for item in items(given.shards)]
    # the pieces' paths are whole: a `prefix:` of the module is in them
    whole = PathModifier(None, None, given.workflow)
    info.input = info.input._replace(paths=(), kwpaths={"table": pieces}, modifier=whole)
    return info


def _check_params(given: _Scattered) -> None:
    """Raises where the rule's parameters make it look at more than one row."""
    check = given.binding.meta.load_check_row_wise()
    if check is None:
        return
    named = {name: value for name, value in given.rule.params._allitems() if name and not callable(value)}
    try:
        check(named)
    except SettingsError as exc:
        where = given.where if exc.where is None else f"rule {given.name}, {exc.where}"
        raise SettingsError(exc.what, where=where, hint=exc.hint) from exc


# Any: Snakemake's InOutput, and what a user may write as an input.
def _inputs_by_role(given: Any, roles: Mapping[str, Role], where: str) -> dict[str, Any]:
    """Returns the inputs of a rule as they were written, by role.

    Raises:
        SettingsError: Nobody can say which input is the table.
    """
    from snakemake.io import is_flagged

    found = dict(given.kwpaths)
    free = [role for role in roles if role not in found]
    for item in _flat(given.paths):
        if is_flagged(item, "unpack"):
            raise SettingsError("shards need inputs that stand in the rule, and not unpack(…)", where=where)
        if not free:
            raise SettingsError(f"{item!r} is one file too many", where=where, hint=f"its roles are {', '.join(roles)}")
        if roles[free[0]].takes_many:
            found.setdefault(free[0], []).append(item)
        else:
            found[free.pop(0)] = item
    return found


def _flat(items: Sequence[Any]) -> list[Any]:
    return [inner for item in items for inner in (_flat(item) if isinstance(item, (list, tuple)) else [item])]


# Any: Snakemake's InOutput, and a path with flags.
def _output(given: Any, where: str) -> Any:
    written = _flat([*given.paths, *given.kwpaths.values()])
    if len(written) != 1:
        raise SettingsError(
            f"shards are for a rule with one output, and this one has {len(written)}",
            where=where,
            hint="leave out what it can do without, or the shards",
        )
    if f"{{{ITEM}" in str(written[0]):
        raise SettingsError(f"the wildcard {ITEM!r} is that of the shards", where=where, hint="give yours another name")
    return written[0]


# Any: Snakemake's RuleInfo.
def _plain(given: _Scattered, name: str, *, params: Mapping[str, Any]) -> Any:
    """Returns what Snakemake knows of a rule that cuts or gathers: cheap work, done where Snakemake runs."""
    meta, config = load_meta(name), given.binding.config
    info = copy(given.rule.ruleinfo)
    info.name = info.log = info.benchmark = info.message = info.group = info.shadow_depth = info.retries = None
    info.docstring = f"{meta.title} (for {given.name}, in shards)."
    info.cache = info.handover = info.default_target = False
    info.localrule = True
    info.threads = meta.threads
    info.resources = ((), dict(meta.resources))
    own = {
        FINGERPRINT_PARAM: Fingerprint(given.workflow, config, name),
        MODULE_PARAM: module_of(config, name),
    }
    info.params = ((), {**params, **own})
    return info


# Any: Snakemake's RuleInfo.
def _constrained(info: Any) -> tuple[tuple[str, ...], dict[str, str]]:
    positional, named = info.wildcard_constraints or ((), {})
    return tuple(positional), {**named, ITEM: r"\d+-of-\d+"}


# Any: Snakemake's Workflow, Rule and RuleInfo.
def _add(workflow: Any, origin: Any, name: str, info: Any) -> Any:
    """Adds a rule as if it stood where the user's stands."""
    from snakemake.sourcecache import infer_source_file

    workflow.included_stack.append(infer_source_file(origin.snakefile))
    try:
        workflow.rule(name=name, lineno=origin.lineno, snakefile=origin.snakefile)(info)
    finally:
        workflow.included_stack.pop()
    return workflow.get_rule(name)


# Any: Snakemake's Workflow and Rule, and the objects behind `rules.tweets`.
def _withdraw(workflow: Any, rule: Any, gather: str) -> dict[str, Any]:
    """Takes a rule back, and lets those that read its output depend on the one that gathers it.

    Returns:
        What `rules.NAME` gives for it, by name.
    """
    del workflow._rules[rule.name]
    workflow.modifier.rules.discard(rule)
    for other in workflow.rules:
        other.dependencies = {path: gather if name == rule.name else name for path, name in other.dependencies.items()}
    # paths that were taken from `rules.NAME.output` ask it for the name of the rule to depend on
    rule.name = gather
    known = workflow.modifier.rule_proxies._rules
    return {name: proxy for name, proxy in known.items() if proxy.rule is rule}


# Any: as above.
def _offer(workflow: Any, proxies: Mapping[str, Any], gathering: Any) -> None:
    """Lets `rules.NAME` mean the rule that makes the user's output."""
    for name, proxy in proxies.items():
        proxy.rule = gathering
        workflow.modifier.rule_proxies._register_rule(name, proxy)


# Any: Snakemake's list of files.
def _outputs(workflow: Any, name: str) -> Any:
    """Returns a rule's outputs as `rules.NAME.output` does: another rule may take them as they are."""
    from snakemake.rules import RuleProxy

    return RuleProxy(workflow.get_rule(name)).output

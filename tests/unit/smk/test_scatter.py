"""What becomes of a rule in shards when a workflow is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from snakemake.exceptions import WorkflowError
from snakemake.io import strip_wildcard_constraints

from dreamsmk.smk import load_meta, rule_names
from dreamsmk.smk.binding import OWN_PARAMS
from tests.unit.smk.workflows import workflow_of

CONFIG = {"models": {"echo": {"provider": "echo", "model": "echo"}}}
TWEETS = """
use rule process_with_prompt from dream as tweets with:
    input: "papers.csv", "prompt.txt"
    output: "results/tweets.parquet"
    params: model="echo", inputs="text", shards=3
"""
AFTER = """
use rule select from dream as after with:
    input: rules.tweets.output
    output: "results/after.parquet"
    params: columns=["generations"]
"""


def paths(files: Any) -> list[str]:
    """Returns paths without the constraints of their wildcards."""
    return [strip_wildcard_constraints(str(path)) for path in files]


def names(files: Any) -> list[str | None]:
    return [name for name, _ in files._allitems()]


def test_one_rule_becomes_three(project: Path) -> None:
    with workflow_of(TWEETS, CONFIG) as workflow:
        assert sorted(rule.name for rule in workflow.rules) == ["tweets", "tweets_gather", "tweets_shard"]
        cut, work, gather = (workflow.get_rule(name) for name in ("tweets_shard", "tweets", "tweets_gather"))
        assert paths(cut.input) == ["papers.csv"]
        assert paths(cut.output) == ["results/shards/tweets/rows-{scatteritem}.parquet"]
        assert (cut.params.shard, cut.params.layout) == ("{scatteritem}", "steady")
        assert names(work.input) == ["table", "instruction"]
        assert "shards" not in dict(work.params._allitems())
        assert set(dict(work.params._allitems())) == {"model", "inputs", *OWN_PARAMS}
        assert paths(work.log) == ["logs/tweets/scatteritem-{scatteritem}.log"]
        assert paths(gather.input) == [f"results/shards/tweets/made-{n}-of-3.parquet" for n in (1, 2, 3)]
        assert set(gather.dependencies.values()) == {"tweets"}, "though a pattern of the user's may match"
        assert paths(gather.output) == ["results/tweets.parquet"]
        assert {"tweets_shard", "tweets_gather"} <= workflow._localrules
        assert "tweets" not in workflow._localrules
        assert workflow.default_target is None, "as without shards"


def test_a_default_target_stays_one(project: Path) -> None:
    rules = TWEETS + "\nuse rule tweets as more with:\n    output: 'more.parquet'\n    default_target: True\n"
    with workflow_of(rules, CONFIG) as workflow:
        assert workflow.default_target == "more_gather"


def test_who_reads_the_output_of_the_rule_reads_the_gathered_table(project: Path) -> None:
    with workflow_of(TWEETS + AFTER.replace('["generations"]', '["generations"], shards=2'), CONFIG) as workflow:
        cut = workflow.get_rule("after_shard")
        assert paths(cut.input) == ["results/tweets.parquet"]
        assert list(cut.dependencies.values()) == ["tweets_gather"]
        proxies = workflow.modifier.rule_proxies
        assert [str(path) for path in proxies.tweets.output] == ["results/tweets.parquet"]
        assert proxies.tweets.rule.name == "tweets_gather"


def test_wildcards_logs_and_settings_of_the_rule_stay_those_of_the_pieces(project: Path) -> None:
    more = """    log: "mine/{a}.{b}.log"
    benchmark: "mine/{a}.{b}.tsv"
    threads: 3
    group: "texts"
    resources: mem_mb=123
"""
    rules = TWEETS.replace("results/tweets.parquet", "results/{a,[^/]+}/tweets-{b}.parquet") + more
    with workflow_of(rules, CONFIG) as workflow:
        cut, work, gather = (workflow.get_rule(name) for name in ("tweets_shard", "tweets", "tweets_gather"))
        assert work.wildcard_names == {"a", "b", "scatteritem"}
        assert gather.wildcard_names == {"a", "b"}
        assert paths(work.log) == ["mine/{a}.{b}/{scatteritem}.log"]
        assert paths([work.benchmark]) == ["mine/{a}.{b}/{scatteritem}.tsv"]
        assert paths(gather.log) == ["logs/tweets_gather/a-{a}/b-{b}.log"]
        assert (work.resources["mem_mb"].value, work.resources["_cores"].value, work.group or work._group) == (
            123,
            3,
            "texts",
        )
        assert cut._group is gather._group is None, "a group of all that is gathered would be one job"
        assert paths(gather.input)[0] == "results/{a}/shards/tweets-{b}/made-1-of-3.parquet"


def test_a_prefix_of_the_module_and_a_rule_used_again_get_pieces_of_their_own(project: Path) -> None:
    rules = """
module other:
    snakefile: dreamsmk.rules()
    config: config
    prefix: "there"

use rule rename from other as names with:
    input: "papers.csv"
    params: columns={"a": "b"}, shards=2

use rule names as more with:
    output: "results/more.parquet"
"""
    with workflow_of(rules, CONFIG) as workflow:
        made = {rule.name: paths(rule.output) for rule in workflow.rules if rule.name.endswith("_gather")}
        assert made == {"names_gather": ["there/results/rename.parquet"], "more_gather": ["results/more.parquet"]}
        pieces = paths(workflow.get_rule("names_gather").input)
        assert pieces[0] == "there/results/shards/rename/made-1-of-2.parquet"
        assert paths(workflow.get_rule("names_shard").input) == ["papers.csv"]
        assert paths(workflow.get_rule("more_gather").input)[0] == "results/shards/more/made-1-of-2.parquet"


def test_one_shard_or_none_leaves_the_rule_as_it_is(project: Path) -> None:
    for shards in ("1", "None"):
        with workflow_of(TWEETS.replace("shards=3", f"shards={shards}"), CONFIG) as workflow:
            assert [rule.name for rule in workflow.rules] == ["tweets"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("shards=3", 'shards="3"', "'3' is no number of shards"),
        ("shards=3", "shards=0", "0 is no number of shards"),
        ("shards=3", "shards=True", "True is no number of shards"),
        ('"results/tweets.parquet"', '"results/tweets.parquet", "more.parquet"', "this one has 2"),
        ('"results/tweets.parquet"', '"results/{scatteritem}.parquet"', "the wildcard 'scatteritem' is that"),
        ('"papers.csv", "prompt.txt"', "unpack(lambda wildcards: {})", "not unpack"),
        ('"papers.csv", "prompt.txt"', 'instruction="prompt.txt"', "shards need the input 'table'"),
        ('"prompt.txt"', '"prompt.txt", "a", "b", "c"', "'c' is one file too many"),
        ("process_with_prompt", "sort", "sort cannot be made in shards"),
        ("process_with_prompt", "data_from_prompt", "data_from_prompt cannot be made in shards"),
    ],
)
def test_what_cannot_be_made_in_shards_is_said(project: Path, old: str, new: str, said: str) -> None:
    assert old in TWEETS
    with pytest.raises(WorkflowError) as caught, workflow_of(TWEETS.replace(old, new), CONFIG):
        pass
    assert said in str(caught.value)
    assert "rule tweets, params.shards" in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 3


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ('function="steps.py:f"', "in shards each piece has to know its columns"),
        ('function="steps.py:f", columns={"a": "String"}, by="batch"', "a function that takes batches"),
    ],
)
def test_map_is_made_in_shards_by_row_and_with_known_columns_only(project: Path, params: str, said: str) -> None:
    rules = f"""
use rule map from dream as steps with:
    input: "papers.csv"
    output: "results/steps.parquet"
    params: {params}, shards=2
"""
    with pytest.raises(WorkflowError) as caught, workflow_of(rules, CONFIG):
        pass
    assert said in str(caught.value)
    assert "rule steps, params." in str(caught.value)


@pytest.mark.parametrize("name", [name for name in rule_names() if load_meta(name).row_wise])
def test_a_row_wise_rule_has_the_parameter_and_makes_one_table_of_one(name: str) -> None:
    meta = load_meta(name)
    assert meta.inputs[str(meta.row_wise)].kind == "table"
    assert not meta.inputs[str(meta.row_wise)].takes_many
    assert [role.kind for role in meta.outputs.values() if role.is_required] == ["table"]
    assert "shards" in meta.params["properties"]

import random
from pathlib import Path

import pytest

from dreamsmk.cards import trace
from dreamsmk.errors import CardError
from tests.unit.cards.records import RecordFolder, digest, example_one, read, record, table


def names(traced):
    return [step.name for step in traced.steps]


def test_a_table_is_traced_to_the_prompts_that_it_began_with(records):
    traced = trace([Path("results/tweets.parquet")], records)
    assert names(traced) == ["abstracts", "tweets"]
    assert traced.sources == ()


def test_a_student_that_is_asked_leads_to_its_training_its_data_and_its_teacher(records):
    traced = trace([Path("results/rewritten.parquet")], records)
    assert set(names(traced)) == {"abstracts", "tweets", "splits", "base_model", "student", "rewritten"}


def test_makers_stand_before_what_was_made_of_theirs(records):
    traced = trace([Path("results/rewritten.parquet")], records)
    for step in traced.steps:
        makers = [traced.step(edge.producer).number for edge in step.inputs if edge.producer]
        assert all(maker < step.number for maker in makers)


def test_a_diamond_lists_each_record_once(records):
    traced = trace([Path("results/student"), Path("results/rewritten.parquet")], records)
    assert len(names(traced)) == len(set(names(traced))) == 6


def test_several_outputs_of_one_step_are_targets_of_their_own(records):
    traced = trace([Path("results/train.parquet"), Path("results/validation.parquet")], records)
    assert [target.role for target in traced.targets] == ["train", "validation"]
    assert len({target.fingerprint for target in traced.targets}) == 1


def test_inputs_that_nobody_made_are_the_sources(tmp_path):
    records = RecordFolder(tmp_path)
    raw = read(table("data/raw.csv", 5))
    records.add(record("load", "load", inputs={"file": [raw]}, outputs={"table": table("a.parquet", 5)}))
    both = {"left": [read(table("a.parquet", 5))], "right": [raw]}
    records.add(record("join", "join", inputs=both, outputs={"table": table("b.parquet", 5)}))
    (source,) = trace([Path("b.parquet")], records).sources
    assert source.path == "data/raw.csv"
    assert source.used_by == ((1, "file"), (2, "right"))


def test_a_step_that_changed_nothing_is_not_its_own_ancestor(tmp_path):
    records = RecordFolder(tmp_path)
    same = {"digest": digest("same", "rows-xxh3")}
    records.add(record("made", "made", outputs={"table": table("a.parquet", 5) | same}))
    kept = table("b.parquet", 5) | same
    records.add(record("kept", "filter", inputs={"table": [read(kept)]}, outputs={"table": kept}))
    traced = trace([Path("b.parquet")], records)
    assert names(traced) == ["kept"]
    assert [source.path for source in traced.sources] == ["b.parquet"]


def test_a_chain_of_thousands_of_steps_is_walked():
    class Chain:
        def producer(self, path):
            return self.by_digest("", str(path))

        def by_digest(self, digest, path):
            count = int(path)
            inputs = {"table": [read(table(str(count - 1), 1))]} if count else {}
            return record(f"round{count}", "round", inputs=inputs, outputs={"table": table(path, 1)})

    assert len(trace([Path("3000")], Chain()).steps) == 3001


def test_a_local_model_that_is_no_input_is_traced_too(tmp_path):
    records = RecordFolder(tmp_path)
    for made in example_one():
        if made["rule"] == "rewritten":
            made["inputs"] = {"table": made["inputs"]["table"]}
            made["models"]["student"]["identity"]["adapter"] = digest("results/student", "tree-xxh3")
        records.add(made)
    assert "student" in names(trace([Path("results/rewritten.parquet")], records))


def test_a_target_without_a_record_is_an_error_of_three_lines(records):
    with pytest.raises(CardError) as caught:
        trace([Path("README.md")], records)
    assert len(str(caught.value).splitlines()) == 3


def test_the_workflow_fingerprint_depends_on_no_path_and_no_order_of_records(records, tmp_path):
    first = trace([Path("results/student")], records).workflow_fingerprint()
    moved = RecordFolder(tmp_path / "moved")
    shuffled = example_one()
    random.Random(1).shuffle(shuffled)
    for made in shuffled:
        for output in made["outputs"].values():
            output["path"] = f"elsewhere/{output['path']}"
        moved.add(made)
    assert trace([Path("elsewhere/results/student")], moved).workflow_fingerprint() == first


def test_the_workflow_fingerprint_tells_swapped_roles_apart(tmp_path):
    def chosen_over(first, second):
        records = RecordFolder(tmp_path / f"{first}-{second}")
        for name in (first, second):
            records.add(record(name, name, outputs={"table": table(f"{name}.parquet", 1)}))
        made = record("dpo", "dpo", outputs={"model": table("m.parquet", 1)})
        made["inputs"] = {
            "chosen": [read(table(f"{first}.parquet", 1))],
            "rejected": [read(table(f"{second}.parquet", 1))],
        }
        records.add(made)
        return trace([Path("m.parquet")], records).workflow_fingerprint()

    assert chosen_over("a", "b") != chosen_over("b", "a")


def test_the_identity_of_a_trace_covers_times_but_the_workflow_fingerprint_does_not(records):
    before = trace([Path("results/tweets.parquet")], records)
    again = next(r for r in example_one() if r["rule"] == "abstracts") | {"finished_at": "2027-01-01T00:00:00+00:00"}
    records.add(again)
    after = trace([Path("results/tweets.parquet")], records)
    assert before.identity() != after.identity()
    assert before.workflow_fingerprint() == after.workflow_fingerprint()

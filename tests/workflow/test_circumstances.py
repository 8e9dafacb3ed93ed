"""Where a project lies, what its files are like, and how its rules are written: none of it changes what is built.

Each test builds, looks at the targets, and builds again: the second time nothing is left to do. What the command line
asks for, and how a run ends, stands in `test_invocations.py`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars
import pytest

from tests.wire.server import WireServer
from tests.workflow.project import Project

TEACHER = {"models": {"teacher": {"provider": "echo", "model": "m"}}}
PAPERS = "title,abstract\na,About attention\nb,About scaling\nc,About distillation\n"

TWEETS = """
use rule process_with_prompt from dream as tweets with:
    input: table="papers.csv"
    output: "results/tweets.parquet"
    params: model="teacher", inputs="abstract", instruction="Write a tweet.", columns={"generations": "tweet"}
"""
SHORT = """
use rule process_with_prompt from dream as short with:
    input: table="results/tweets.parquet"
    output: "results/short.parquet"
    params: model="teacher", inputs="tweet", instruction="Make it shorter."
"""
CHAIN = TWEETS + SHORT
SHORT_TARGET = "results/short.parquet"

# Root may write what is read-only; without these two capabilities it is an owner like any other.
AS_AN_OWNER = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"]


class OwnersProject(Project):
    """A project whose runs obey permissions, also where root tests."""

    def command(self, *arguments: str) -> list[str]:
        return [*(AS_AN_OWNER if os.geteuid() == 0 else []), *super().command(*arguments)]


needs_setpriv = pytest.mark.skipif(
    os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root without setpriv obeys no permissions"
)


def chain(folder: Path, kind: type[Project] = Project, rules: str = CHAIN, **config: Any) -> Project:
    return kind.with_rules(folder, rules, {**TEACHER, **config}, target=SHORT_TARGET, **{"papers.csv": PAPERS})


def generations(project: Project, name: str = SHORT_TARGET) -> list[str]:
    column: list[str] = polars.read_parquet(project.folder / name)["generations"].to_list()
    return column


@pytest.fixture
def other_file_system(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system than the temporary folder of the test."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system to write to")
    folder = Path(tempfile.mkdtemp(dir=memory, prefix="dreamsmk-"))
    yield folder
    shutil.rmtree(folder)


def test_two_workflows_at_once_share_a_store_on_another_file_system_and_pay_once(
    tmp_path: Path, wire: WireServer, other_file_system: Path
) -> None:
    teacher = {"provider": "openai", "model": "gpt", "base_url": wire.openai_url, "max_concurrency": 2}
    wire.latency_seconds = 0.3
    projects = [chain(tmp_path / name, models={"teacher": teacher}) for name in ("one", "two")]
    for project in projects:
        project.environment["DREAMSMK_HOME"] = str(other_file_system / "home")
    started = [project.start(output=tmp_path / f"{project.folder.name}.log") for project in projects]
    assert [process.wait(120) for process in started] == [0, 0], [
        (tmp_path / f"{project.folder.name}.log").read_text() + project.logs() for project in projects
    ]
    assert wire.count == 6, "three tweets and three short ones, each asked for by one of the two"
    one, two = (polars.read_parquet(project.folder / SHORT_TARGET) for project in projects)
    assert one.equals(two)
    assert one.height == 3
    for project in projects:
        assert not (project.folder / ".dreamsmk").exists()
        assert project.run().did_nothing


def test_a_large_target_is_put_back_from_another_file_system(tmp_path: Path, other_file_system: Path) -> None:
    rules = """
use rule map from dream as large with:
    input: table="papers.csv"
    output: "results/large.parquet"
    params: function="steps.py:large"
"""
    steps = (
        "import random\ndef large(row):\n    return {'noise': random.Random(row['title']).randbytes(7_000_000).hex()}\n"
    )
    project = Project.with_rules(
        tmp_path / "p", rules, {"home": str(other_file_system / "home")}, target="results/large.parquet"
    )
    project.write("papers.csv", PAPERS)
    project.write("steps.py", steps)
    assert project.run().worked == ["large"]
    target = project.folder / "results/large.parquet"
    whole = target.read_bytes()
    assert len(whole) > 17_000_000, "small targets are never linked to the store"
    with target.open("r+b") as file:
        file.write(b"edited in place")
    assert project.run().restored == ["large"]
    assert target.read_bytes() == whole
    assert project.run().did_nothing


@needs_setpriv
def test_read_only_sources_and_source_folders_are_read(tmp_path: Path) -> None:
    project = chain(tmp_path / "p", OwnersProject)
    project.replace("Snakefile", '"papers.csv"', '"sources/papers.csv"')
    folder = project.folder / "sources"
    folder.mkdir()
    source = (project.folder / "papers.csv").rename(folder / "papers.csv")
    source.chmod(0o444)
    folder.chmod(0o555)
    assert project.run().worked == ["short", "tweets"]
    assert project.run().did_nothing
    folder.chmod(0o755)
    source.unlink()
    source.write_text(PAPERS.replace("scaling", "pruning"))
    source.chmod(0o444)
    folder.chmod(0o555)
    assert project.run().worked == ["short", "tweets"]
    assert project.run().did_nothing
    folder.chmod(0o755)


@needs_setpriv
def test_a_protected_target_is_never_written_over_and_comes_back_when_it_was_deleted(tmp_path: Path) -> None:
    project = chain(tmp_path / "p", OwnersProject)
    project.replace("Snakefile", f'"{SHORT_TARGET}"\n    params', f'protected("{SHORT_TARGET}")\n    params')
    target = project.folder / SHORT_TARGET
    project.run()
    assert target.stat().st_mode & 0o222 == 0
    assert project.run().did_nothing
    before = target.read_bytes()
    project.replace("Snakefile", "Make it shorter.", "Make it much shorter.")
    assert "Write-protected output files for rule short" in project.run(fails=True).output
    assert target.read_bytes() == before
    project.replace("Snakefile", "Make it much shorter.", "Make it shorter.")
    target.unlink()
    assert project.run().restored == ["short"]
    assert target.stat().st_mode & 0o222 == 0
    assert target.read_bytes() == before
    assert project.run().did_nothing


def set_time(path: Path, seconds_from_now: float) -> None:
    moment = time.time() + seconds_from_now
    os.utime(path, (moment, moment))


# Snakemake itself compares the content of the small table between the two jobs, and never that of the large source.
LARGE_PAPERS = PAPERS + "d,About " + "word " * 300_000 + "\n"
YEAR = 365 * 86400.0


def test_a_clock_that_stepped_back_makes_no_work_and_hides_no_edit(tmp_path: Path) -> None:
    project = chain(tmp_path / "p")
    source, tweets, short = (project.folder / name for name in ("papers.csv", "results/tweets.parquet", SHORT_TARGET))
    source.write_text(LARGE_PAPERS)
    # the source was made while the clock was a year ahead
    set_time(source, YEAR)
    assert project.run().worked == ["short", "tweets"]
    assert project.run().did_nothing
    set_time(source, 2 * YEAR)
    set_time(tweets, -YEAR)
    set_time(short, -2 * YEAR)
    assert project.run().worked == []
    assert project.run().did_nothing
    source.write_text(LARGE_PAPERS.replace("scaling", "pruning"))
    set_time(source, -3 * YEAR)
    assert project.run().worked == ["short", "tweets"]
    assert "pruning" in generations(project)[1]
    assert project.run().did_nothing


NAMES = """
use rule process_with_prompt from dream as tweets with:
    input: table="my päpers 空.csv", instruction="an instruction 'quoted' ü.txt"
    output: "results/my tweets $HOME &; ü.parquet"
    params: model="teacher", inputs="abstract", columns={"generations": "tweet"}

use rule map from dream as counted with:
    input: table="results/my tweets $HOME &; ü.parquet"
    output: "results/a {kind} of/tw eets ü.parquet"
    params: function="my scripts ü/steps.py:count"
"""


def test_paths_may_have_any_character(tmp_path: Path) -> None:
    folder = tmp_path / "my projects ü 空 'quoted' $HOME {x}" / "a line\nbreak"
    counted = "results/a wörd count of/tw eets ü.parquet"
    project = Project.with_rules(folder, NAMES, TEACHER, target=counted)
    project.write("my päpers 空.csv", PAPERS)
    project.write("an instruction 'quoted' ü.txt", "Write a tweet.")
    project.write("my scripts ü/steps.py", "def count(row):\n    return {'words': len(row['tweet'].split())}\n")
    assert project.run().worked == ["counted", "tweets"]
    built = polars.read_parquet(project.folder / counted)
    assert built["words"].to_list() == [9, 9, 9]
    assert project.run().did_nothing
    project.replace("my päpers 空.csv", "scaling", "pruning")
    (project.folder / counted).unlink()
    assert project.run().worked == ["counted", "tweets"]
    assert project.run().did_nothing


MODULES = """
module prefixed:
    snakefile: dreamsmk.rules()
    config: config
    prefix: "made"

module moved:
    snakefile: dreamsmk.rules()
    config: config
    replace_prefix: {"<results>/": "elsewhere/", "<resources>/": "sources/"}

use rule data_from_prompt from prefixed as anything with:
    params: model="teacher", n=2, instruction="Write anything."

use rule data_from_prompt from prefixed as styled with:
    output: "made/{style}-{words}.parquet"
    params: model="teacher", n=2, instruction="Write a {style} text of {words} words."

use rule process_with_prompt from moved as moved_prompt with:
    params: model="teacher", inputs="abstract", instruction="Write a tweet."

use rule styled as inherited with:
    output: "made/more/{style}.parquet"
    params: model="teacher", n=3, instruction="Write a {style} text."

use rule anything as anything_more with:
    output: "made/anything_more.parquet"
    params: model="teacher", n=3, instruction="Write anything."
"""


def test_rules_of_prefixed_modules_aliases_wildcards_and_inheritance_build_what_they_say(tmp_path: Path) -> None:
    targets = {
        "made/results/data_from_prompt.parquet": "Write anything.",
        "made/gay-ten.parquet": "Write a gay text of ten words.",
        "made/sad-six.parquet": "Write a sad text of six words.",
        "elsewhere/process_with_prompt.parquet": "Write a tweet.",
        "made/more/sad.parquet": "Write a sad text.",
        "made/anything_more.parquet": "Write anything.",
    }
    project = Project.with_rules(tmp_path / "p", MODULES, TEACHER, target="X")
    project.replace("Snakefile", '"X"', str(list(targets)))
    table = polars.DataFrame({"abstract": ["About attention"]})
    (project.folder / "sources").mkdir()
    table.write_parquet(project.folder / "sources/process_with_prompt.parquet")
    run = project.run()
    assert run.worked == ["anything", "anything_more", "inherited", "moved_prompt", "styled", "styled"]
    for target, instruction in targets.items():
        assert all(text.endswith(instruction) for text in generations(project, target)), target
    for written in (
        "made/logs/styled/style-gay/words-ten.log",
        "made/benchmarks/anything.tsv",
        "logs/moved_prompt.log",
    ):
        assert (project.folder / written).is_file(), written
    assert (project.folder / "benchmarks/inherited/style-sad.tsv").is_file(), "not that of the rule it inherits from"
    assert project.run().did_nothing
    project.replace("Snakefile", "a {style} text.", "one {style} text.")
    assert project.run().worked == ["inherited"]
    assert project.run().did_nothing


CHECKPOINT = """
checkpoint choose:
    input: "choice.txt"
    output: directory("results/chosen")
    run:
        import pathlib
        folder = pathlib.Path(output[0])
        folder.mkdir(parents=True)
        for topic in open(input[0]).read().split():
            (folder / (topic + ".csv")).write_text("abstract\\nAbout " + topic + "\\n")

def chosen(wildcards):
    folder = checkpoints.choose.get(**wildcards).output[0]
    return [f"results/tweets/{topic}.parquet" for topic in sorted(glob_wildcards(folder + "/{topic}.csv").topic)]

def first(wildcards):
    import os
    folder = checkpoints.choose.get(**wildcards).output[0]
    return os.path.join(folder, sorted(name for name in os.listdir(folder) if name.endswith(".csv"))[0])

use rule process_with_prompt from dream as tweets with:
    input: table="results/chosen/{topic}.csv"
    output: "results/tweets/{topic}.parquet"
    params: model="teacher", inputs="abstract", instruction="Write a tweet."

use rule process_with_prompt from dream as lead with:
    input: table=first
    output: "results/lead.parquet"
    params: model="teacher", inputs="abstract", instruction="Write a headline."

rule together:
    input: chosen, "results/lead.parquet"
    output: "results/together.txt"
    shell: "echo {input} > {output}"
"""


def test_what_a_checkpoint_chose_decides_what_is_built(tmp_path: Path) -> None:
    project = Project.with_rules(tmp_path / "p", CHECKPOINT, TEACHER, target="results/together.txt")
    project.write("choice.txt", "attention scaling")
    together = project.folder / "results/together.txt"
    assert project.run().worked == ["lead", "tweets", "tweets"]
    assert together.read_text() == (
        "results/tweets/attention.parquet results/tweets/scaling.parquet results/lead.parquet\n"
    )
    assert project.run().did_nothing
    project.write("choice.txt", "scaling distillation attention")
    run = project.run()
    assert run.worked == ["tweets"], run.output
    assert "distillation" in together.read_text()
    assert project.run().did_nothing
    project.write("choice.txt", "scaling distillation")
    assert project.run().worked == ["lead"]
    assert "About distillation" in generations(project, "results/lead.parquet")[0]
    assert project.run().did_nothing


def test_a_temporary_table_is_made_again_only_where_it_is_needed(tmp_path: Path) -> None:
    project = chain(tmp_path / "p")
    project.replace("Snakefile", 'output: "results/tweets.parquet"', 'output: temp("results/tweets.parquet")')
    tweets = project.folder / "results/tweets.parquet"
    assert project.run().worked == ["short", "tweets"]
    assert not tweets.exists()
    assert project.run().did_nothing
    project.replace("Snakefile", "Make it shorter.", "Make it much shorter.")
    run = project.run()
    assert run.worked == ["short"]
    assert run.restored == ["tweets"]
    # a column that nothing reads
    project.write("papers.csv", PAPERS.replace("a,", "z,"))
    run = project.run()
    assert run.worked == ["tweets"]
    assert run.restored == ["short"]
    project.write("papers.csv", PAPERS.replace("scaling", "pruning"))
    assert project.run().worked == ["short", "tweets"]
    assert "pruning" in generations(project)[1]
    assert not tweets.exists()
    assert project.run().did_nothing

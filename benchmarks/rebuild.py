"""What being exact costs: dreamsmk beside plain Snakemake with the same graph, in one run.

    python benchmarks/rebuild.py [noop] [targets] [hits] [digests]

Each figure is a ratio to a reference that is measured in the same run, best of a few repeats, so that a noisy machine
shows less. What is compared stands in the line itself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REPEATS = int(os.environ.get("REPEATS", "3"))
TARGETS = int(os.environ.get("TARGETS", "10000"))
HITS = int(os.environ.get("HITS", "1000"))

HEADER = """
import dreamsmk

config["models"] = {"teacher": {"provider": "echo", "model": "echo"}}

module dream:
    snakefile: dreamsmk.rules()
    config: config

"""


def best(step: Callable[[], None], repeats: int = REPEATS) -> float:
    """Returns the shortest time that a step took, in seconds."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    return min(times)


def snakemake(folder: Path, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", "--scheduler", "greedy", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return done.stdout + done.stderr


def say(name: str, value: float, limit: str, detail: str) -> None:
    print(f"{name:44} {value:8.2f}   {limit:12} {detail}", flush=True)


MAIN_WORKFLOW = """
rule all:
    input: "results/cards/tweets.md", "results/cards/adapter.md"
rule smollm2:
    output: directory("resources/model")
    shell: "mkdir -p {output} && echo 1 > {output}/x"
rule abstracts:
    input: "resources/model"
    output: "results/abstracts.parquet"
    log: "logs/abstracts.log"
    params: model="teacher", n=64, instruction="Write the abstract of a research paper."
    shell: "echo 1 > {output}"
rule tweets:
    input: "results/abstracts.parquet", "resources/model"
    output: "results/tweets.parquet"
    params: model="teacher", inputs="abstracts", instruction="Given the abstract, write a tweet."
    shell: "echo 1 > {output}"
rule splits:
    input: "results/tweets.parquet"
    output: "results/train.parquet", "results/validation.parquet"
    params: train=0.9, validation=0.1
    shell: "touch {output}"
rule adapter:
    input: "results/train.parquet", "results/validation.parquet", "resources/model"
    output: directory("results/adapter")
    params: model="student", inputs="abstracts", outputs="tweets"
    shell: "mkdir -p {output} && echo 1 > {output}/x"
rule sample:
    input: "results/validation.parquet", "resources/model", "results/adapter"
    output: "results/sample.parquet"
    shell: "echo 1 > {output}"
rule data_card:
    input: "results/tweets.parquet"
    output: "results/cards/tweets.json", "results/cards/tweets.md"
    shell: "touch {output}"
rule model_card:
    input: "results/adapter", "results/sample.parquet"
    output: "results/cards/adapter.json", "results/cards/adapter.md"
    shell: "touch {output}"
"""


def noop(base: Path) -> None:
    """The main workflow with nothing to do. It must have been built (`make demo`)."""
    plain = base / "plain"
    plain.mkdir()
    (plain / "Snakefile").write_text(MAIN_WORKFLOW)
    snakemake(plain)
    assert "Nothing to be done" in snakemake(plain)
    if "Nothing to be done" not in snakemake(ROOT):
        sys.exit("run `make demo` first")
    ours, theirs = best(lambda: snakemake(ROOT) and None), best(lambda: snakemake(plain) and None)
    say("no-op, main workflow", ours / theirs, "at most 1.3", f"{ours:.2f} s beside {theirs:.2f} s of plain Snakemake")


def many(base: Path) -> None:
    """A no-op over many targets of one rule, each with an input of its own."""
    for kind in ("plain", "ours"):
        folder = base / kind
        _sources(folder, TARGETS)
        plain_rule = "    output: 'out/{i}.parquet'\n    params: a=1.0\n    shell: 'cp {input} {output}'\n"
        _parts(folder, TARGETS, plain_rule if kind == "plain" else None)
        _build_many(folder, kind)
        assert "Nothing to be done" in snakemake(folder), kind
    plain, ours = best(lambda: snakemake(base / "plain") and None), best(lambda: snakemake(base / "ours") and None)
    say(f"no-op, {TARGETS:,} targets", ours / plain, "at most 1.5", f"{ours:.2f} s beside {plain:.2f} s")


def _sources(folder: Path, count: int) -> None:
    (folder / "in").mkdir(parents=True)
    for number in range(count):
        (folder / "in" / f"{number}.csv").write_text(f"text\n{number}\n")


def _parts(folder: Path, count: int, plain_rule: str | None) -> None:
    """Writes a Snakefile with one rule of many jobs: ours, or a plain one with this body."""
    wanted = f'expand("out/{{i}}.parquet", i=range({count}))'
    target = f"rule all:\n    default_target: True\n    input: {wanted}\n\n"
    if plain_rule is not None:
        (folder / "Snakefile").write_text(f"{target}rule part:\n    input: 'in/{{i}}.csv'\n{plain_rule}")
        return
    ours = "use rule split from dream as part with:\n    input: 'in/{i}.csv'\n"
    ours += "    output: train='out/{i}.parquet'\n    params: train=1.0\n"
    (folder / "Snakefile").write_text(HEADER + target + ours)


def _build_many(folder: Path, kind: str) -> None:
    """Makes the targets as their jobs would, without a process for each."""
    if kind == "ours":
        _fill(folder, TARGETS)
    # really run: without the metadata of a real run Snakemake would compare nothing. In parts, since its scheduling of
    # thousands of ready jobs takes longer than the jobs
    for start in range(0, TARGETS, 500):
        snakemake(folder, *(f"out/{number}.parquet" for number in range(start, min(start + 500, TARGETS))))


def _fill(folder: Path, count: int) -> None:
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from benchmarks.filling import fill; fill({count})"
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True)


def hits(base: Path) -> None:
    """Jobs whose results are in the store, with and without the accelerator, beside jobs that Snakemake just starts."""
    folder, plain = base / "hits", base / "started"
    _sources(folder, HITS)
    _parts(folder, HITS, None)
    _fill(folder, HITS)
    _sources(plain, HITS)
    _parts(plain, HITS, "    output: touch('out/{i}.parquet')\n")

    def fresh(where: Path) -> None:
        shutil.rmtree(where / "out", ignore_errors=True)
        shutil.rmtree(where / ".snakemake", ignore_errors=True)

    def timed(where: Path, **environment: str) -> float:
        fresh(where)
        started = time.perf_counter()
        snakemake(where, **environment)
        return time.perf_counter() - started

    scheduling = timed(plain)
    with_accelerator = timed(folder)
    without = timed(folder, DREAMSMK_ACCELERATE="0")
    for name, seconds, limit in (("with", with_accelerator, 20), ("without", without, 150)):
        each = (seconds - scheduling) / HITS * 1000
        detail = f"ms each of {HITS:,}, beyond scheduling ({scheduling:.1f} s)"
        say(f"a hit {name} the accelerator", each, f"at most {limit}", detail)


def digests(base: Path) -> None:
    """A large file beside bare xxh3-128 over a map of it, and a tree of 20,000 files beside its bare stat calls."""
    import mmap

    import xxhash

    from dreamsmk.hashing import DigestMemo, digest_file

    large = base / "large"
    with large.open("wb") as file:
        block = os.urandom(2**20)
        for _ in range(2048):
            file.write(block)

    def bare() -> None:
        with large.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            xxhash.xxh3_128_hexdigest(mapped)

    bare()
    theirs, ours = best(bare, 5), best(lambda: digest_file(large) and None, 5)
    detail = f"{2 / ours:.1f} GiB/s beside {2 / theirs:.1f} GiB/s mapped"
    say("digest of a 2 GiB file", theirs / ours, "at least 0.8", detail)
    tree = base / "tree"
    for folder in range(20):
        (tree / str(folder)).mkdir(parents=True)
        for number in range(1000):
            (tree / str(folder) / f"{number}.bin").write_bytes(b"x" * 4096)
    time.sleep(0.2)
    memo = DigestMemo(base / "home" / "digests.db")
    memo.of(tree, "tree")
    time.sleep(0.2)
    memo.of(tree, "tree")

    def stats() -> None:
        for folder, _, names in os.walk(tree):
            for name in names:
                os.stat(os.path.join(folder, name))

    theirs, ours = best(stats, 5), best(lambda: memo.of(tree, "tree") and None, 5)
    detail = f"{ours * 1000:.0f} ms beside {theirs * 1000:.0f} ms of stat"
    say("a tree of 20,000 known files", ours / theirs, "at most 2", detail)


PARTS = {"noop": noop, "targets": many, "hits": hits, "digests": digests}


def main() -> None:
    for name in sys.argv[1:] or PARTS:
        with tempfile.TemporaryDirectory() as base:
            PARTS[name](Path(base))


if __name__ == "__main__":
    main()

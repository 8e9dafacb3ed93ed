"""Data sets of a Hub become tables, at a commit that is known before anything is read."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dreamsmk.hashing import digest_rows
from tests.hub.conftest import StartWorker
from tests.hub.server import TOKEN, HubServer
from tests.hub.worker import Done, Worker

ROWS = pl.DataFrame({"text": ["a", "ü\n", None], "label": [1, 0, -1], "tags": [["x"], [], None]})
CARD = """---
license: apache-2.0
dataset_info:
  features:
  - {name: text, dtype: string}
  - name: label
    dtype: {class_label: {names: {'0': bad, '1': good}}}
  - name: tags
    list: string
---
# Papers

```bibtex
@misc{papers,
  title={The {Papers}},
}
```
"""


def parquet(frame: pl.DataFrame) -> bytes:
    content = io.BytesIO()
    frame.write_parquet(content)
    return content.getvalue()


def load(worker: Worker, folder: Path, name: str, **params: Any) -> Done:
    return worker.run("load_hub", folder, {"table": "made.parquet"}, name=name, **params)


def made(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "made.parquet")


def test_rows_types_and_what_the_card_says_are_kept(hub: HubServer, worker: Worker, tmp_path: Path) -> None:
    commit = hub.add("dataset", "org/papers", {"README.md": CARD, "data/train-0.parquet": parquet(ROWS)})
    source = load(worker, tmp_path, "org/papers").source
    assert made(tmp_path).to_dict(as_series=False) == {
        "text": ["a", "ü\n", None],
        "label": ["good", "bad", None],
        "tags": [["x"], [], None],
    }
    assert source == {
        "kind": "dataset",
        "name": "org/papers",
        "revision": commit,
        "url": f"{hub.url}/datasets/org/papers/tree/{commit}",
        "license": "apache-2.0",
        "citations": ["@misc{papers,\n  title={The {Papers}},\n}"],
        "config": None,
        "split": "train",
    }
    assert hub.requests[0][1] == "/api/datasets/org/papers", "the commit is asked for first"
    assert all(commit in path for _, path, _ in hub.requests[1:]), "and nothing is read but at it"
    load(worker, tmp_path, "org/papers", labels="numbers", columns=["label"])
    assert made(tmp_path).to_dict(as_series=False) == {"label": [1, 0, -1]}
    said = load(worker, tmp_path, "org/papers", columns=["labels"]).message
    assert said == "the data set has no column 'labels'\nat: org/papers, split train\nhint: did you mean 'label'?"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("train.csv", "a,b\n1,x\n2,y\n"),
        ("train.jsonl", '{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}\n'),
        ("train.txt", "x\ny\n"),
        ("train.parquet", parquet(pl.DataFrame({"a": [1, 2], "b": ["x", "y"]}))),
    ],
)
def test_streamed_rows_are_those_that_are_downloaded(
    hub: HubServer, worker: Worker, tmp_path: Path, file: str, content: str | bytes
) -> None:
    name = f"org/{file.replace('.', '-')}"
    hub.add("dataset", name, {file: content})
    assert load(worker, tmp_path, name).source["split"] == "train"
    downloaded = digest_rows(tmp_path / "made.parquet")
    assert made(tmp_path).height == 2
    assert load(worker, tmp_path, name, streaming=True).source["split"] == "train"
    assert digest_rows(tmp_path / "made.parquet") == downloaded


def test_images_are_their_bytes_and_labels_in_lists_their_names(hub: HubServer, worker: Worker, tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"picture": [{"bytes": b"\x89PNG", "path": "a.png"}], "all": [[1, 0]], "s": [{"l": 0, "n": 7}]}
    )
    label = "dtype: {class_label: {names: {'0': no, '1': yes}}}".replace("no,", "'no',").replace("yes}", "'yes'}")
    features = f"[{{name: picture, dtype: image}}, {{name: all, list: {{{label}}}}}, "
    features += f"{{name: s, struct: [{{name: l, {label}}}, {{name: n, dtype: int64}}]}}]"
    card = f"---\ndataset_info:\n  features: {features}\n---\n"
    hub.add("dataset", "org/pictures", {"README.md": card, "train.parquet": parquet(frame)})
    assert "license" not in load(worker, tmp_path, "org/pictures").source
    assert made(tmp_path).to_dicts() == [
        {"picture": {"bytes": b"\x89PNG", "path": "a.png"}, "all": ["yes", "no"], "s": {"l": "no", "n": 7}}
    ]


def test_a_revision_is_a_commit_a_tag_or_a_branch(hub: HubServer, worker: Worker, tmp_path: Path) -> None:
    first = hub.add("dataset", "org/moving", {"train.csv": "n\n1\n"}, tag="v1")
    second = hub.add("dataset", "org/moving", {"train.csv": "n\n2\n"})
    for revision, commit, row in (("v1", first, 1), (first, first, 1), (None, second, 2), ("main", second, 2)):
        source = load(worker, tmp_path, "org/moving", revision=revision).source
        assert (source["revision"], made(tmp_path)["n"].to_list()) == (commit, [row])
        assert source.get("wanted_revision") == (revision if revision in ("v1", "main") else None)


def test_a_configuration_and_a_split_are_chosen(hub: HubServer, worker: Worker, tmp_path: Path) -> None:
    configs = "---\nconfigs:\n" + "".join(
        f"- config_name: {c}\n  data_files:\n"
        f"  - {{split: train, path: {c}/train.csv}}\n  - {{split: test, path: {c}/test.csv}}\n"
        for c in ("en", "de")
    )
    files = {f"{c}/{s}.csv": f"t\n{c} {s}\n" for c in ("en", "de") for s in ("train", "test")}
    hub.add("dataset", "org/several", {"README.md": configs + "---\n", **files})
    for streaming in (False, True):
        source = load(worker, tmp_path, "org/several", config="de", split="test", streaming=streaming).source
        assert made(tmp_path)["t"].to_list() == ["de test"]
        assert (source["config"], source["split"]) == ("de", "test")
    for params, said in (
        ({}, "the data set has several\nat: params.config\nhint: choose one of: 'en', 'de'"),
        ({"config": "fr"}, "'org/several' has no configuration 'fr'\nat: params.config\nhint: choose one of: "),
        (
            {"config": "en"},
            "the data set has 2 splits\nat: params.split of org/several\nhint: choose one: split='train'",
        ),
        (
            {"config": "en", "split": "tset"},
            "no split 'tset'\nat: params.split of org/several\nhint: did you mean 'test'",
        ),
    ):
        done = load(worker, tmp_path, "org/several", **params)
        assert done.error == "SettingsError"
        assert said in done.message


def test_a_data_set_without_rows_keeps_its_types(hub: HubServer, worker: Worker, tmp_path: Path) -> None:
    hub.add("dataset", "org/empty", {"README.md": CARD, "train.parquet": parquet(ROWS.clear())})
    load(worker, tmp_path, "org/empty")
    assert made(tmp_path).schema == {"text": pl.String(), "label": pl.String(), "tags": pl.List(pl.String)}


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ("org/none", "RequestRejected", "the Hub has no dataset 'org/none' that everybody may read\nat: params.name"),
        ("org/moved@v9", "RequestRejected", "has no revision 'v9'\nat: params.revision"),
        ("a/b/c", "SettingsError", "not a name of the Hub"),
        ("org/secret", "RequestRejected", "if it is private, set HF_TOKEN"),
        ("org/gated", "MissingCredentials", "'org/gated' is gated: its authors want to know who reads it"),
        ("org/nothing", "TableError", "'org/nothing' cannot be read"),
        ("org/damaged", "TableError", "'org/damaged' cannot be read"),
        ("org/script", "TableError", "Dataset scripts are no longer supported"),
    ],
)
def test_what_cannot_be_loaded_is_told(
    hub: HubServer, worker: Worker, tmp_path: Path, asked: str, error: str, said: str
) -> None:
    for known, files in (
        ("org/moved", {"train.csv": "n\n1\n"}),
        ("org/secret", {"train.csv": "n\n1\n"}),
        ("org/gated", {"train.csv": "n\n1\n"}),
        ("org/nothing", {"README.md": "# Nothing"}),
        ("org/damaged", {"train.parquet": "PAR1"}),
        ("org/script", {"script.py": "print('run')"}),
    ):
        hub.add("dataset", known, files)
    hub.repositories["dataset", "org/secret"].access = "private"
    hub.repositories["dataset", "org/gated"].access = "gated"
    name, _, revision = asked.partition("@")
    done = load(worker, tmp_path, name, revision=revision or None)
    assert done.error == error, done.message
    assert said in done.message
    assert len(done.message.splitlines()) <= 3


def test_a_token_opens_what_is_private_and_what_was_granted(
    hub: HubServer, start_worker: StartWorker, tmp_path: Path
) -> None:
    for name, access in (("org/mine", "private"), ("org/granted", "granted"), ("org/closed", "gated")):
        hub.add("dataset", name, {"train.csv": "n\n1\n"})
        hub.repositories["dataset", name].access = access  # type: ignore[assignment]  # the three are such
    worker = start_worker(HF_TOKEN=TOKEN)
    assert load(worker, tmp_path, "org/mine").source["split"] == "train"
    assert load(worker, tmp_path, "org/granted").source["split"] == "train"
    done = load(worker, tmp_path, "org/closed")
    assert (done.error, "this token has none" in done.message) == ("RequestRejected", True), done.message
    done = load(start_worker(HF_TOKEN="hf_wrong"), tmp_path, "org/mine")
    assert (done.error, "does not let this token read" in done.message) == ("MissingCredentials", True), done.message


def test_a_hub_that_is_down_or_gone_is_told(hub: HubServer, start_worker: StartWorker, tmp_path: Path) -> None:
    hub.failing = 500
    done = load(start_worker(), tmp_path, "org/papers")
    assert (done.error, done.message.splitlines()[-1]) == ("ServiceUnavailable", "hint: try again later")
    done = load(start_worker(HF_ENDPOINT="http://127.0.0.1:9"), tmp_path, "org/papers")
    assert done.error == "ServiceUnavailable"
    assert "the Hub cannot be reached for the dataset 'org/papers'" in done.message


def test_a_download_that_breaks_off_goes_on_where_it_was(hub: HubServer, worker: Worker, tmp_path: Path) -> None:
    hub.add("dataset", "org/large", {"train.txt": "0123456789abcde\n" * 2**20})
    hub.cut("train.txt", after_bytes=11 * 2**20)
    load(worker, tmp_path, "org/large")
    assert made(tmp_path).height == 2**20
    assert hub.downloads("train.txt") == [0, 10 * 2**20], "the client writes 10 MiB at once"


def test_offline_all_is_read_from_the_cache(hub: HubServer, start_worker: StartWorker, tmp_path: Path) -> None:
    commit = hub.add("dataset", "org/cached", {"README.md": CARD, "train.parquet": parquet(ROWS)})
    home = tmp_path / "hf"
    online = load(start_worker(home), tmp_path, "org/cached").source
    digest = digest_rows(tmp_path / "made.parquet")
    hub.requests.clear()
    offline = start_worker(home, HF_HUB_OFFLINE="1")
    assert load(offline, tmp_path, "org/cached").source == online
    assert digest_rows(tmp_path / "made.parquet") == digest
    assert load(offline, tmp_path, "org/cached", revision=commit).source["revision"] == commit
    for name, revision in (("org/other", None), ("org/cached", "v1"), ("org/cached", "0" * 40)):
        done = load(offline, tmp_path, name, revision=revision)
        assert done.error == "ServiceUnavailable"
        assert done.message.startswith(f"offline, and the cache has no dataset '{name}'")
    assert hub.requests == []


def test_the_rows_of_another_commit_are_never_taken_from_the_cache(
    hub: HubServer, worker: Worker, tmp_path: Path
) -> None:
    first = hub.add("dataset", "org/emptied", {"train.csv": "n\n1\n"})
    assert load(worker, tmp_path, "org/emptied").source["revision"] == first
    hub.add("dataset", "org/emptied", {"README.md": "# Gone"})
    done = load(worker, tmp_path, "org/emptied")
    assert done.error == "ServiceUnavailable"
    assert done.message.startswith(f"the cache has 'org/emptied' only at {first}")

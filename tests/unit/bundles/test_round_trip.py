"""What is bundled on one machine is there on another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dreamsmk.bundles import BundleOptions, add_bundle, compare_bundle, open_bundle, write_bundle
from dreamsmk.calls.caching.cache import Selection
from dreamsmk.errors import SettingsError
from dreamsmk.store import ActionStore
from tests.unit.bundles.conftest import FINGERPRINT, PROMPT, make_request, make_response

EVERYTHING = BundleOptions()


def bundled(place, out: Path, options: BundleOptions = EVERYTHING):
    with place.cache() as cache:
        return write_bundle(out, place.home, cache, options)


def added(place, out: Path):
    with open_bundle(out) as bundle, place.cache() as cache:
        return add_bundle(bundle, place.home, cache)


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_calls_and_records_arrive_as_they_were(there, here, tmp_path, name):
    manifest = bundled(there, tmp_path / name)
    assert (manifest.calls, manifest.records, manifest.actions) == (2, 1, 1)
    assert added(here, tmp_path / name) == added_of(2, 1)
    with there.cache() as cache, here.cache() as copy:
        assert list(cache.rows()) == list(copy.rows())
        assert copy.get_many([make_request().key()]) == {make_request().key(): make_response("reply 0")}
    assert here.records.load(FINGERPRINT)["facts"]["rows"] == 2


def added_of(calls: int, records: int):
    from dreamsmk.bundles import Imported

    return Imported(calls, records)


def test_adding_twice_changes_nothing(there, here, tmp_path):
    bundled(there, tmp_path / "bundle")
    added(here, tmp_path / "bundle")
    assert added(here, tmp_path / "bundle") == added_of(0, 0)


def test_what_is_here_already_stays(there, here, tmp_path):
    bundled(there, tmp_path / "bundle")
    request = make_request()
    with here.cache() as cache:
        cache.put(request.key(), request, make_response("mine"))
    assert added(here, tmp_path / "bundle").calls == 1
    with here.cache() as cache:
        assert cache.get_many([request.key()])[request.key()].text == "mine"


def test_only_the_calls_that_were_asked_for_go(there, tmp_path):
    assert bundled(there, tmp_path / "none", BundleOptions(Selection(rule="other"))).calls == 0
    assert bundled(there, tmp_path / "all", BundleOptions(Selection(model="model-a"))).calls == 2


def test_no_record_names_a_folder_of_this_machine(there, tmp_path):
    bundled(there, tmp_path / "bundle")
    text = (tmp_path / "bundle" / "records.jsonl").read_text()
    assert str(tmp_path) not in text
    assert '"path": "results/t.parquet"' in text


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_without_prompts_no_word_of_one_leaves_and_a_replay_still_finds_the_replies(there, here, tmp_path, name):
    bundled(there, tmp_path / name, BundleOptions(has_prompts=False))
    with open_bundle(tmp_path / name) as bundle:
        text = "".join(row.request for row in bundle.calls()) + json.dumps(list(bundle.records()))
    for words in (PROMPT, "Say it in short words", "def f()", "日本"):
        assert words not in text
    assert added(here, tmp_path / name).calls == 2
    with here.cache() as cache:
        assert cache.get_many([make_request().key()])[make_request().key()].text == "reply 0"


def test_a_bundle_never_replaces_what_is_there(there, tmp_path):
    (tmp_path / "bundle").mkdir()
    with pytest.raises(SettingsError, match="already"):
        bundled(there, tmp_path / "bundle")
    assert list((tmp_path / "bundle").iterdir()) == []


def test_nothing_is_left_of_a_bundle_that_failed(there, tmp_path):
    there.home.record(FINGERPRINT).write_text('{"outputs": {}, "instruction": "sk-ant-' + "a" * 40 + '"}')
    with pytest.raises(Exception, match="API key of Anthropic"):
        bundled(there, tmp_path / "out" / "bundle")
    assert list((tmp_path / "out").iterdir()) == []


def test_results_are_compared_with_those_of_the_bundle(there, here, tmp_path):
    import polars

    from dreamsmk.tables import write_table

    bundled(there, tmp_path / "bundle")

    def verdicts(place) -> list[str]:
        with open_bundle(tmp_path / "bundle") as bundle:
            return [each.verdict for each in compare_bundle(bundle, place.home)]

    assert verdicts(there) == ["same bytes"]
    assert verdicts(here) == ["not built"]
    store = ActionStore(here.home, here.memo)
    write_table(polars.DataFrame({"a": [1, 3]}), tmp_path / "other.parquet")
    store.keep(FINGERPRINT, {"table": tmp_path / "other.parquet"}, {"table": "table"})
    assert verdicts(here) == ["different"]
    polars.DataFrame({"a": [1, 2]}).write_parquet(tmp_path / "same.parquet", compression="uncompressed")
    store.keep(FINGERPRINT, {"table": tmp_path / "same.parquet"}, {"table": "table"})
    assert verdicts(here) == ["same rows"]

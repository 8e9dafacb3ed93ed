"""What a record says of the machine."""

from __future__ import annotations

import getpass
import json
import os
import platform
import re
from pathlib import Path

import snakemake

import dreamsmk
from dreamsmk.smk.environment import describe_environment


def test_versions_system_and_hardware_are_told() -> None:
    environment = json.loads(json.dumps(describe_environment([])))
    assert environment["dreamsmk"] == dreamsmk.__version__
    assert environment["python"] == platform.python_version()
    assert environment["packages"]["snakemake"] == snakemake.__version__
    assert environment["cpu_count"] == os.cpu_count()
    assert environment["memory_bytes"] > 2**28
    assert environment["processor"]


def test_no_host_no_user_and_no_path_is_told() -> None:
    text = json.dumps(describe_environment([]))
    words = set(re.split(r"[^\w.-]+", text))
    assert platform.node() not in words
    assert getpass.getuser() not in words
    assert str(Path.home()) not in text
    assert str(Path.cwd()) not in text


def test_a_job_that_was_given_no_gpu_names_none() -> None:
    assert describe_environment([])["gpus"] == []


def test_a_package_that_is_not_installed_is_left_out() -> None:
    assert all(describe_environment([])["packages"].values())

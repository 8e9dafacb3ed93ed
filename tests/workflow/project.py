"""A real Snakemake project in a temporary folder."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

ROOT = Path(__file__).resolve().parents[2]

HEADER = """
import dreamsmk

configfile: "config.yaml"

module dream:
    snakefile: dreamsmk.rules()
    config: config

rule all:
    default_target: True
    input: "{target}"

"""


@dataclass
class Run:
    """What a run of Snakemake printed and did."""

    status: int
    output: str

    @property
    def ran(self) -> list[str]:
        """Rules whose jobs got a process of their own, sorted."""
        return sorted(re.findall(r"^(?:local)?rule (\S+):$", self.output, re.MULTILINE))

    @property
    def worked(self) -> list[str]:
        """Rules whose jobs did their work, rather than find it in the store, sorted."""
        return self._who_said(r"done in ")

    @property
    def restored(self) -> list[str]:
        """Rules whose targets were kept or put back from the store, with a process or without, sorted."""
        return self._who_said(r"(?:\S.* )?(?:restored|kept) from the store")

    def _who_said(self, pattern: str) -> list[str]:
        """Snakemake ends its lines in a second write: what a job says may stand behind the last word of one."""
        said = re.findall(rf"^(.*?)(\S+): {pattern}", self.output, re.MULTILINE)
        rules = {*self.ran, *(name for before, name in said if not before)}
        return sorted(max((r for r in rules if name.endswith(r)), key=len, default=name) for _, name in said)

    @property
    def calls(self) -> int:
        """Model calls that were made, as the last lines of the jobs say."""
        return sum(int(sent.replace(",", "")) for sent in re.findall(r" ([\d,]+) calls, ", self.output))

    @property
    def did_nothing(self) -> bool:
        return "Nothing to be done" in self.output


@dataclass
class Project:
    """A folder with a workflow."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def with_rules(cls, folder: Path, rules: str, config: dict[str, Any], *, target: str, **files: str) -> Project:
        """Makes a project with one Snakefile that imports our rules, and one target that it builds."""
        folder.mkdir(parents=True, exist_ok=True)
        project = cls(folder)
        shutil.copytree(ROOT / "workflow/profiles", folder / "profiles")
        project.write("Snakefile", HEADER.format(target=target) + rules)
        project.configure(config)
        for name, text in files.items():
            project.write(name, text)
        return project

    @classmethod
    def of_main_workflow(cls, folder: Path, **changes: Any) -> Project:
        """Copies the main workflow, with changes to the top level of its config."""
        shutil.copytree(ROOT / "workflow", folder / "workflow")
        project = cls(folder)
        config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
        project.configure({**config, **changes})
        return project

    @property
    def config_path(self) -> Path:
        nested = self.folder / "workflow"
        return self.folder / ("config/config.yaml" if nested.is_dir() else "config.yaml")

    @property
    def config(self) -> dict[str, Any]:
        loaded: dict[str, Any] = yaml.safe_load(self.config_path.read_text())
        return loaded

    def configure(self, config: dict[str, Any]) -> None:
        self.config_path.parent.mkdir(parents=True, exist_ok=True)
        self.config_path.write_text(yaml.safe_dump(config))

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def replace(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert old in text, f"{old!r} does not stand in {name}"
        path.write_text(text.replace(old, new))

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]

    def start(self, *arguments: str, output: Path, is_in_foreground: bool = False) -> subprocess.Popen[bytes]:
        """Starts Snakemake and does not wait for it; in the foreground it leads a process group of its own."""
        with output.open("wb") as file:
            return subprocess.Popen(
                self.command(*arguments),
                cwd=self.folder,
                env=self._environment(),
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=is_in_foreground,
            )

    def run(self, *arguments: str, fails: bool = False) -> Run:
        """Runs Snakemake to its end, and asserts that it did or did not fail."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=500,
            check=False,
        )
        run = Run(done.returncode, done.stdout)
        assert (run.status != 0) == fails, run.output + self.logs()
        return run

    def dreamsmk(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs the command line of dreamsmk."""
        return subprocess.run(
            [sys.executable, "-m", "dreamsmk.cli", *arguments],
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def logs(self) -> str:
        return "".join(f"\n--- {log}\n{log.read_text()[-3000:]}" for log in sorted(self.folder.glob("logs/**/*.log")))

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY") and k != "DREAMSMK_HOME"}
        return {**kept, "PYTHONPATH": str(ROOT), **self.environment}


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """Sends SIGKILL to Snakemake and to its jobs, which run in sessions of their own."""
    tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for member in tree:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait()
    psutil.wait_procs(tree, timeout=20)


def kill_jobs(process: subprocess.Popen[bytes]) -> None:
    """Sends SIGKILL to the jobs of Snakemake, and not to Snakemake."""
    for member in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()


def wait_for(condition: Any, seconds: float = 120, process: subprocess.Popen[bytes] | None = None) -> None:
    """Waits until a condition holds; fails if it never does, or if the process ends before."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to pass"
        assert process is None or process.poll() is None, "the process ended before"
        time.sleep(0.02)

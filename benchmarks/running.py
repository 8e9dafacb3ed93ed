"""Runs the parts of the benchmark as processes of their own, each with the Python that it needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.peers import Peer
from benchmarks.service import ROOT

PEERS = Path(os.environ.get("PEERS", Path(tempfile.gettempdir()) / "peers"))
PEER_SECONDS = 300.0

# Any: JSON.
Figures = dict[str, Any]


def python(*arguments: str, interpreter: str = sys.executable, seconds: float | None = None) -> Figures | str:
    """Runs a module of the benchmark and returns what it printed, or why it printed nothing."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    try:
        done = subprocess.run(
            [interpreter, "-m", *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"took more than {seconds:.0f} s"
    if done.returncode or not done.stdout.strip():
        return (done.stderr.strip().splitlines() or ["no output"])[-1][:120]
    figures: Figures = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def ours(*arguments: str) -> Figures:
    """Runs a module of the benchmark that must not fail."""
    figures = python(*arguments)
    if isinstance(figures, str):
        sys.exit(f"{' '.join(arguments)}: {figures}")
    return figures


def peer(venv: str, *arguments: str) -> Figures | str:
    """Runs a module of the benchmark with the Python of a peer's venv, if there is one."""
    interpreter = PEERS / venv / "bin" / "python"
    if not interpreter.exists():
        return "not installed"
    return python(*arguments, interpreter=str(interpreter), seconds=PEER_SECONDS)


def install(folder: Path, peers: tuple[Peer, ...]) -> None:
    """Makes a venv for each peer; one that cannot be installed is told and left out."""
    for name, packages in {peer.venv: peer.packages for peer in peers}.items():
        home = folder / name
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        done = subprocess.run([str(home / "bin" / "pip"), "install", "--quiet", *packages], check=False)
        print(f"{name}: {'not installed' if done.returncode else 'installed'}", flush=True)

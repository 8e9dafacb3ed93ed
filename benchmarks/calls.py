"""How fast model calls are: dreamsmk beside a bare aiohttp loop, its peers and bare SQLite, all in one run.

    python -m benchmarks.calls [rate] [slow] [replay] [stores]        all four by default
    python -m benchmarks.calls --install-peers FOLDER                 a venv for each peer; some GB and minutes

    rate    requests a second of the whole engine with the durable cache, of a bare aiohttp loop and of every peer
    slow    the same with 1% of the replies at 1 s, beside the ideal: the window of `benchmarks/ideal.py`, with the pace
            that the engine has where no reply is slow, and with few in flight, where the latency alone counts
    replay  a run whose every reply is cached, in a process of its own
    stores  writing and reading the cache beside bare SQLite and other caches

Sizes come from the environment: REQUESTS=10000 CONCURRENCY=256 PEER_REQUESTS=10000 REPLAY_ROWS=1000000
STORE_ROWS=100000 REPEATS=3 PEERS=FOLDER. Every client is a process of its own; the service is another one, on this
machine, and answers after 50 ms. Each figure is the best of the repeats, so that a noisy machine shows less. Exits
with 1 where a limit is missed.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.ideal import ideal_seconds
from benchmarks.peers import BARE, CLIENTS, OURS, STORES, Peer
from benchmarks.running import Figures, install, ours, peer
from benchmarks.service import Service
from benchmarks.workload import latency_seconds, prompts, with_slow

REQUESTS = int(os.environ.get("REQUESTS", "10000"))
PEER_REQUESTS = int(os.environ.get("PEER_REQUESTS", str(REQUESTS)))
CONCURRENCY = int(os.environ.get("CONCURRENCY", "256"))
REPLAY_ROWS = int(os.environ.get("REPLAY_ROWS", "1000000"))
STORE_ROWS = int(os.environ.get("STORE_ROWS", "100000"))
REPEATS = int(os.environ.get("REPEATS", "3"))
# Few enough that sending costs next to nothing: what is left is how well the places of the window are filled.
FEW = 64


@dataclass
class Table:
    """What was measured, and whether it holds."""

    missed: list[str] = field(default_factory=list)

    def say(self, name: str, value: float, detail: str = "") -> None:
        """Prints a figure that has no limit."""
        print(f"{name:48} {value:12,.2f}  {'':20} {detail}", flush=True)

    def hold(self, name: str, value: float, limit: str, detail: str = "") -> None:
        """Prints a figure and whether it keeps to its limit, such as `>= 0.75`."""
        sign, number = limit.split()
        bound = float(number.replace(",", ""))
        is_held = value >= bound if sign == ">=" else value <= bound
        verdict = f"{limit:>12} {'holds' if is_held else 'MISSED':7}"
        print(f"{name:48} {value:12,.2f}  {verdict} {detail}", flush=True)
        if not is_held:
            self.missed.append(name)


def client(asked: Peer, url: str, rows: int, concurrency: int = CONCURRENCY, *flags: str) -> Figures | str:
    """Measures one client; its figures, or why there are none."""
    command = ("benchmarks.peers.run_client", asked.module, url, "0", str(rows), str(concurrency), *flags)
    return peer(asked.venv, *command) if asked.venv else ours(*command)


def rate(table: Table) -> None:
    """Requests a second of everybody."""
    with Service() as service:
        runs: dict[str, list[Figures]] = {BARE.name: [], OURS.name: []}
        for _ in range(REPEATS):
            for one in (BARE, OURS):
                figures = client(one, service.url, REQUESTS)
                assert not isinstance(figures, str)
                runs[one.name].append(figures)
        bare = _say_rate(table, BARE, min(runs[BARE.name], key=_seconds), None)
        mine = _say_rate(table, OURS, min(runs[OURS.name], key=_seconds), bare)
        best = 0.0
        for one in CLIENTS:
            figures = client(one, service.url, PEER_REQUESTS)
            if isinstance(figures, str):
                print(f"{'requests/s, ' + one.name:48} {figures}", flush=True)
            else:
                best = max(best, _say_rate(table, one, figures, bare))
    table.hold("requests/s, share of bare aiohttp", mine / bare, ">= 0.75", "whole engine, durable cache")
    if best:
        table.hold("requests/s, beside the fastest peer", mine / best, ">= 1.0")


def _seconds(figures: Figures) -> float:
    return float(figures["seconds"])


def _say_rate(table: Table, asked: Peer, figures: Figures, bare: float | None) -> float:
    per_second = float(figures["rows"] / figures["seconds"])
    share = f"{per_second / bare:.2f} of bare aiohttp, " if bare else ""
    cpu = figures["cpu_seconds"] / figures["rows"] * 1000
    lost = figures["rows"] - figures["right"]
    words = f"{share}{cpu:.2f} ms CPU a request, {figures['version']}" + (f", {lost} replies WRONG" if lost else "")
    table.say(f"requests/s, {asked.name}", per_second, words)
    return per_second


def slow(table: Table) -> None:
    """One reply in a hundred takes 1 s."""
    with Service() as service:
        for concurrency in (CONCURRENCY, FEW):
            best: list[float] = []
            plain: list[float] = []
            for _ in range(REPEATS):
                for found, flags in ((plain, ()), (best, ("slow",))):
                    figures = client(OURS, service.url, REQUESTS, concurrency, *flags)
                    assert not isinstance(figures, str)
                    found.append(figures["seconds"])
            latencies = [latency_seconds(prompt) for prompt in with_slow(list(prompts(REQUESTS)))]
            pace = 0.0 if concurrency == FEW else min(plain) / REQUESTS
            ideal = ideal_seconds(latencies, concurrency, pace_seconds=pace)
            words = f"{min(best):.2f} s beside {ideal:.2f} s ({sum(latencies) / concurrency:.2f} s by latency alone)"
            table.hold(f"1% of replies at 1 s, {concurrency} in flight", min(best) / ideal, "<= 1.2", words)


def replay(table: Table) -> None:
    """Every reply is cached."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "calls.db")
        filled = ours("benchmarks.replaying", "fill", str(REPLAY_ROWS), path)
        words = f"{REPLAY_ROWS:,} rows, {filled['size_bytes'] / 2**30:.2f} GiB, keys included"
        table.say("filling the cache, rows/s", filled["rows_per_second"], words)
        runs = [ours("benchmarks.replaying", "replay", str(REPLAY_ROWS), path) for _ in range(min(REPEATS, 2))]
    best = max(run["rows_per_second"] for run in runs)
    table.hold("all cached, rows/s", best, ">= 50,000", f"{REPLAY_ROWS:,} rows, prompt to reply")
    table.hold("all cached, peak memory in MiB", max(run["peak_mib"] for run in runs), "<= 2,048", "no child processes")


def stores(table: Table) -> None:
    """Writing and reading the cache."""
    best: dict[str, Figures] = {}
    for _ in range(REPEATS):
        for name in ("bare", "ours"):
            with tempfile.TemporaryDirectory() as folder:
                figures = ours("benchmarks.stores", name, str(STORE_ROWS), folder)
            before = best.setdefault(name, figures)
            best[name] = {key: max(before[key], value) for key, value in figures.items()}
    bare, mine = best["bare"], best["ours"]
    table.say("cache writes, bare SQLite, rows/s", bare["put"], "1,000 a transaction, flushed to the disk")
    table.say("cache reads, bare SQLite, rows/s", bare["get_parsed"], "1,000 keys at a time, each reply read as JSON")
    table.say("cache reads, bare SQLite, text only, rows/s", bare["get"], "nobody looks into the replies")
    others = [found for found in (_store(table, store) for store in STORES) if found is not None]
    put = max((figures["put"] for figures in others), default=0.0)
    get = max((figures["get"] for figures in others), default=0.0)
    table.hold("cache writes, rows/s", mine["put"], ">= 20,000", "put one by one, all on the disk at the end")
    words = f"{mine['get']:,.0f} rows/s as replies, {mine['get'] / bare['get']:.2f} of text only"
    table.hold("cache reads, share of bare SQLite", mine["get"] / bare["get_parsed"], ">= 0.6", words)
    if put and get:
        table.hold("cache writes, beside the fastest other", mine["put"] / put, ">= 1.0")
        table.hold("cache reads, beside the fastest other", mine["get"] / get, ">= 1.0")


def _store(table: Table, store: Peer) -> Figures | None:
    with tempfile.TemporaryDirectory() as folder:
        figures = peer(store.venv, "benchmarks.peers.run_store", store.module, str(STORE_ROWS), folder)
    if isinstance(figures, str):
        print(f"{'cache, ' + store.name:48} {figures}", flush=True)
        return None
    words = f"{figures['rows']:,} rows, {figures['version']}"
    table.say(f"cache writes, {store.name}, rows/s", figures["put"], words)
    table.say(f"cache reads, {store.name}, rows/s", figures["get"])
    return figures


PARTS: dict[str, Callable[[Table], None]] = {"rate": rate, "slow": slow, "replay": replay, "stores": stores}


def main() -> None:
    """Runs the parts that are asked for."""
    if sys.argv[1:2] == ["--install-peers"]:
        install(Path(sys.argv[2]), CLIENTS + STORES)
        return
    table = Table()
    for name in sys.argv[1:] or PARTS:
        PARTS[name](table)
    if table.missed:
        sys.exit("missed: " + ", ".join(table.missed))


if __name__ == "__main__":
    main()

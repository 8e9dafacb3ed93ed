"""A PostgreSQL server of the tests' own, from the system's programs: a Unix socket, no network."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg

LOCKED = "locked"


def find_programs() -> Path | None:
    """Returns the folder of `initdb` and `pg_ctl`; the newest, where there are several."""
    found = shutil.which("initdb")
    if found and shutil.which("pg_ctl"):
        return Path(found).parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    return next((path for path in reversed(folders) if (path / "initdb").exists()), None)


class PostgresServer:
    """A server with the roles `postgres`, which needs no password, and `locked`, whose password is `right-secret`."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        # The server refuses to run as root, and must get through to its folder: pytest's own are closed to others.
        self._user = _unprivileged() if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="dreamsmk-pg-"))
        if self._user:
            shutil.chown(self.folder, self._user)
        self._run("initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        # One role that needs a password, before the line that asks none of anybody.
        rules = self.folder / "data" / "pg_hba.conf"
        rules.write_text(f"local all {LOCKED} scram-sha-256\n" + rules.read_text())
        self.start()
        self.execute(f"create role {LOCKED} login password 'right-secret'")

    def start(self) -> None:
        """Starts it and waits until it answers."""
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off -c max_connections=40"
        self._run("pg_ctl", "-l", str(self.folder / "log"), "-w", "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stops it: `fast` as for maintenance, `immediate` as in a crash."""
        self._run("pg_ctl", "-m", mode, "-w", "stop")

    @contextmanager
    def away(self, seconds: float, mode: str = "immediate") -> Iterator[None]:
        """Stops it now and starts it some seconds later; the block has ended only when it is back."""
        self.stop(mode)
        back = threading.Timer(seconds, self.start)
        back.start()
        try:
            yield
        finally:
            back.join()

    def remove(self) -> None:
        """Stops it for good."""
        self.stop()
        shutil.rmtree(self.folder)

    def url(self, database: str = "postgres", *, schema: str = "", user: str = "postgres") -> str:
        """Returns the URL of a database, or of one schema in it."""
        options = f"&options={quote(f'-csearch_path={schema}')}" if schema else ""
        return f"postgresql://{user}@/{database}?host={quote(str(self.folder), safe='')}{options}"

    def execute(self, statement: str, *, schema: str = "") -> list[tuple]:
        """Runs a statement and returns its rows."""
        with psycopg.connect(self.url(schema=schema), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _run(self, program: str, *words: str) -> None:
        command = [self._programs / program, "-D", self.folder / "data", *words]
        # Not captured: the server inherits the pipe, and reading it would wait for its end.
        with open(self.folder / "programs", "ab") as said:
            done = subprocess.run(command, stdout=said, stderr=said, user=self._user, cwd="/", check=False)
        assert done.returncode == 0, (self.folder / "programs").read_text() + self._log()

    def _log(self) -> str:
        log = self.folder / "log"
        return log.read_text() if log.exists() else ""


def _unprivileged() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"

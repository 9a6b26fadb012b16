"""Secrets come from files: ``python -m flows.local.secret_files -m alerts.notifier`` runs a process with them.

For every variable ``X_FILE`` of ours ``X`` is set to what the file says, then ``python`` runs with the remaining
arguments. ``--make FOLDER`` writes the files docker-compose.yml wants, with new random passwords.
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
    """Write the secrets of a new installation, each readable by its owner only; files that exist are left alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    password_file = folder / "postgres_password"
    password = password_file.read_text().strip() if password_file.exists() else secrets.token_urlsafe(24)
    contents = {
        "postgres_password": password,
        "database_url": f"postgresql+psycopg://owner:{password}@postgres/tarmac",
        "prefect_database_url": f"postgresql+asyncpg://owner:{password}@postgres/prefect",
        "prefect_auth": f"tarmac:{secrets.token_urlsafe(24)}",
        "prefect_encryption_key": Fernet.generate_key().decode(),
    }
    made = []
    for name, content in contents.items():
        path = folder / name
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(f"{content}\n", encoding="utf-8")
            made.append(path)
    return made


def main(arguments: list[str]) -> None:
    """Run a process with its secrets, or make them."""
    if arguments[:1] == ["--make"]:
        for path in make_secrets(Path(arguments[1] if len(arguments) > 1 else "secrets")):
            sys.stdout.write(f"{path}\n")
        return
    os.execve(sys.executable, [sys.executable, *arguments], read_secrets(dict(os.environ)))  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])

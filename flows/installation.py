"""What every job needs at hand: the settings, the database and the archive of this installation."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from models import clock
from models.archive import Archive
from models.settings import Settings
from models.store.session import Engine, make_engine


@dataclass(frozen=True)
class Installation:
    """One installation of Tarmac, as a job sees it."""

    settings: Settings
    engine: Engine
    archive: Archive
    opened_at: datetime
    """since when the jobs of this process run; before that nobody looked"""

    @property
    def bundles(self) -> Path:
        """Where crawls leave their bundles."""
        return self.settings.home / "bundles"


def open_installation(settings: Settings | None = None) -> Installation:
    """The installation the settings describe. Connects to nothing yet. Raises ValueError without a database address."""
    settings = settings or Settings()
    if settings.database_url is None:
        raise ValueError("DATABASE_URL is not set; `tarmac run` sets it for the processes it starts")
    engine = make_engine(settings.database_url, application="tarmac flows")
    return Installation(settings, engine, Archive(settings.archive_location), clock.now())

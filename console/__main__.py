"""``python -m console``: serves the page until it is told to stop."""

import uvicorn

from console.app import make_app
from models.archive import Archive
from models.settings import Settings
from models.store.session import make_engine


def main() -> None:
    """Serve on the address the settings name."""
    settings = Settings()
    if settings.database_url is None:
        raise SystemExit("tarmac: DATABASE_URL is not set; `tarmac run` sets it for the processes it starts")
    engine = make_engine(settings.database_url, application="tarmac console")
    app = make_app(settings, engine, Archive(settings.archive_location))
    uvicorn.run(app, host=settings.page_host, port=settings.page_port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()

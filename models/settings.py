"""Every setting of Tarmac, read from ``TARMAC_*`` variables and from files for what is secret."""

from functools import cached_property
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Settings of one installation. ``DATABASE_URL`` is read without the prefix, as hosting platforms give it."""

    model_config = SettingsConfigDict(env_prefix="TARMAC_", extra="ignore")

    home: Path = Field(default=Path(".tarmac"), description="folder for the database, captures, keys and logs (0700)")
    database_url: str | None = Field(
        default=None,
        validation_alias="DATABASE_URL",
        description="PostgreSQL to use; without it one is run in the home folder",
    )
    archive_url: str | None = Field(
        default=None, description="where captures are kept, any fsspec address; a folder in home by default"
    )
    key_file: Path | None = Field(default=None, description="instance key (0600); home/instance.key by default")
    contact: str = Field(default="", description="how a publisher can reach the operator; sent in the User-Agent")
    page_host: str = Field(default="127.0.0.1", description="address the page listens on")
    page_port: int = Field(default=8620, description="port the page listens on; 0 picks a free one")
    page_names: str = Field(
        default="", description="names besides localhost under which the page is served, comma separated"
    )
    live: bool = Field(default=False, description="watch the live sources instead of replaying the recorded day")
    source_base_url: str | None = Field(
        default=None, description="ask this server instead of the publishers' (the replay sets it; a mirror may too)"
    )
    poll_s: float = Field(default=60, description="seconds between two looks at the watchlist")
    watchlist: Path | None = Field(default=None, description="watchlist file instead of the one that comes with Tarmac")
    feeds: Path | None = Field(default=None, description="YAML file of news feeds to read besides those built in")
    notice: str = Field(default="", description="sentence shown on top of every page; the replay says what it replays")
    allow_private: str = Field(
        default="", description="host:port pairs in private networks that channels may reach, comma separated"
    )

    @property
    def is_replay(self) -> bool:
        """Whether what is watched is a recorded day: every page and every message then says so."""
        return not self.live and self.source_base_url is not None

    @cached_property
    def archive_location(self) -> str:
        """Address of the capture archive."""
        return self.archive_url or str(self.home.absolute() / "archive")

    @cached_property
    def instance_key_file(self) -> Path:
        """Where the instance key lies."""
        return self.key_file or self.home / "instance.key"

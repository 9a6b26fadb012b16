"""News feeds the operator added: a YAML list, each entry with ``url`` and ``publisher``, and where wanted ``slug``."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

PREFIX = "feed_"


class FeedsError(ValueError):
    """A file of feeds that must not be used; the message is one line and names the file."""


class Feed(BaseModel):
    """One feed and whom to name with its articles."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    publisher: str = Field(min_length=1, max_length=100)
    slug: str | None = Field(default=None, pattern=r"^[a-z0-9_]{1,30}$")

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or not url.isprintable():
            raise ValueError("not the http(s) address of a feed")
        return url

    @property
    def source(self) -> str:
        """Name of the source it is crawled as; made of its host when none was given."""
        host = (urlsplit(self.url).hostname or "").removeprefix("www.")
        return PREFIX + (self.slug or re.sub(r"[^a-z0-9]+", "_", host).strip("_")[:30])


_feeds: TypeAdapter[tuple[Feed, ...]] = TypeAdapter(tuple[Feed, ...])


def load_feeds(path: Path | None) -> tuple[Feed, ...]:
    """The feeds of a file, none when no path is given. Raises FeedsError, also for two feeds of one name."""
    if path is None:
        return ()
    name = "".join(letter if letter.isprintable() else "?" for letter in str(path))
    try:
        feeds = _feeds.validate_python(yaml.safe_load(path.read_text(encoding="utf-8")) or ())
    except OSError as error:
        raise FeedsError(f"{name}: {error.strerror or 'cannot be read'}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = " ".join(str(part + 1) if isinstance(part, int) else part for part in first["loc"])
        raise FeedsError(f"{name}: feed {place}: {first['msg']}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise FeedsError(f"{name}: is not a YAML list of feeds") from error
    sources = [feed.source for feed in feeds]
    for source in sources:
        if sources.count(source) > 1:
            raise FeedsError(f"{name}: two feeds are called {source.removeprefix(PREFIX)}; give each a slug")
    return feeds

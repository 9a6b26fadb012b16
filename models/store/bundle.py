"""Load the bundle of one crawl: archive its captures, then store all it says in one transaction.

Loading is safe to repeat. Whatever is already known stays as it is; only ``observation.seen_at`` may move.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection, Engine, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert

from models.archive import Archive, read_warc
from models.items import ArticleItem, Run, Verdict, make_article_key
from models.store.bundle_files import BundleError, Refusals, open_captures, read_items, read_run
from models.store.events import record_event
from models.store.health import ensure_source, note_crawl, note_looks, tell_look_time
from models.store.position_lines import PositionLine
from models.store.positions import (
    EARLIEST_AT,
    LATEST_AHEAD,
    is_plausible,
    is_plausible_instant,
    mark_for_derivation,
    store_positions,
)
from models.store.session import transaction
from models.tables import Capture, Crawl, Fetch, Observation
from models.vocab.certainty import Certainty
from models.vocab.event import ArticlePayload, EventKind


@dataclass(frozen=True)
class LoadReport:
    """What came of loading one bundle. Positions and articles count when new; ``refused_count``: what was unusable."""

    run_id: UUID
    source: str
    verdict: Verdict
    was_known: bool
    capture_count: int = 0
    position_count: int = 0
    article_count: int = 0
    refused_count: int = 0
    issues: tuple[str, ...] = ()
    aircraft: tuple[str, ...] = ()


def load_bundle(engine: Engine, folder: Path, archive: Archive, now: datetime) -> LoadReport:
    """Load one bundle. Raises BundleError when the folder is none, StoreUnavailable when it may be tried again."""
    run = read_run(folder)
    if not EARLIEST_AT <= run.started_at <= run.finished_at <= now + LATEST_AHEAD:
        raise BundleError(f"{folder}: the crawl ran at an impossible time")
    refusals = Refusals()
    sizes = _archive_captures(folder, archive, refusals)
    with transaction(engine) as connection:
        return _store(connection, folder, run, sizes, refusals, now)


def _archive_captures(folder: Path, archive: Archive, refusals: Refusals) -> dict[str, int]:
    """Archive what the bundle captured; hash -> size."""
    sizes = {}
    with open_captures(folder) as file:
        for captured in read_warc(file):
            if captured.body is None:
                refusals.add(f"a capture of {captured.url[:200]} is too large to keep")
                continue
            archive.keep(captured.body)
            sizes[captured.sha256] = len(captured.body)
    return sizes


def _store(
    connection: Connection, folder: Path, run: Run, sizes: Mapping[str, int], refusals: Refusals, now: datetime
) -> LoadReport:
    ensure_source(connection, run.source)
    is_new = _insert_crawl(connection, run, now)
    capture_ids = _insert_captures(connection, run, sizes, now)
    _insert_fetches(connection, run, capture_ids, refusals, now)
    articles: list[ArticleItem] = []
    positions = _take_positions(read_items(folder, refusals), articles, capture_ids, refusals, now)
    stored = store_positions(connection, positions, source=run.source, capture_ids=capture_ids)
    mark_for_derivation(connection, stored.touched)
    article_count = sum(_store_article(connection, run, article, capture_ids, now) for article in articles)
    if is_new:
        note_crawl(connection, run)
    note_looks(connection, run, now)
    connection.execute(
        update(Crawl).where(Crawl.id == run.run_id).values(refused_count=refusals.count, load_issues=refusals.messages)
    )
    return LoadReport(
        run_id=run.run_id,
        source=run.source,
        verdict=run.verdict,
        was_known=not is_new,
        capture_count=len(capture_ids),
        position_count=stored.new_count,
        article_count=article_count,
        refused_count=refusals.count,
        issues=tuple(refusals.messages),
        aircraft=tuple(stored.touched),
    )


def _insert_crawl(connection: Connection, run: Run, now: datetime) -> bool:
    row = connection.execute(
        insert(Crawl)
        .values(
            id=run.run_id,
            source=run.source,
            started_at=run.started_at,
            finished_at=run.finished_at,
            recorded_at=tell_look_time(run, now) if run.recorded_at else None,
            verdict=run.verdict.value,
            reason=run.reason,
            # The fetches have a table of their own.
            report=run.model_dump(mode="json", exclude={"fetches"}),
            loaded_at=now,
        )
        .on_conflict_do_nothing()
        .returning(Crawl.id)
    ).first()
    return row is not None


def _insert_captures(connection: Connection, run: Run, sizes: Mapping[str, int], now: datetime) -> dict[str, int]:
    """Know the captures of a bundle; hash -> id."""
    if not sizes:
        return {}
    content_types = {fetch.sha256: fetch.content_type for fetch in run.fetches}
    # In one order everywhere, so that two loads never wait for each other in a circle.
    connection.execute(
        insert(Capture).on_conflict_do_nothing(),
        [
            {
                "sha256": bytes.fromhex(sha256),
                "byte_count": size,
                "content_type": content_types.get(sha256),
                "archived_at": now,
            }
            for sha256, size in sorted(sizes.items())
        ],
    )
    rows = connection.execute(
        select(Capture.sha256, Capture.id).where(Capture.sha256.in_([bytes.fromhex(sha256) for sha256 in sizes]))
    )
    return {sha256.hex(): number for sha256, number in rows}


def _insert_fetches(
    connection: Connection, run: Run, capture_ids: Mapping[str, int], refusals: Refusals, now: datetime
) -> None:
    rows = []
    for fetch in run.fetches:
        if not is_plausible_instant(fetch.fetched_at, now):
            refusals.add(f"a fetch of {fetch.url[:200]} dated {fetch.fetched_at.isoformat()}")
        elif fetch.sha256 in capture_ids:
            rows.append(
                {
                    "crawl_id": run.run_id,
                    "capture_id": capture_ids[fetch.sha256],
                    "source": run.source,
                    "url": fetch.url,
                    "status_code": fetch.status_code,
                    "fetched_at": fetch.fetched_at,
                }
            )
        else:
            refusals.add(f"a fetch of {fetch.url[:200]} without its capture")
    if rows:
        connection.execute(insert(Fetch).on_conflict_do_nothing(), rows)


def _take_positions(
    items: Iterable[PositionLine | ArticleItem],
    articles: list[ArticleItem],
    capture_ids: Mapping[str, int],
    refusals: Refusals,
    now: datetime,
) -> Iterator[PositionLine]:
    """The positions that can be stored; articles are put aside, and what leads to no bytes is refused."""
    for item in items:
        if item.capture not in capture_ids:
            refusals.add(f"{item.locator}: its capture {item.capture[:64]} is not in the bundle")
        elif isinstance(item, ArticleItem):
            articles.append(item)
        elif is_plausible(item.at_s, now):
            yield item
        else:
            refusals.add(f"{item.locator}: dated {item.observed_at.isoformat()}")


def _store_article(
    connection: Connection, run: Run, article: ArticleItem, capture_ids: Mapping[str, int], now: datetime
) -> bool:
    """Store what a source says in an article, and raise its event the first time the address is seen. True when new."""
    if article.published_at is not None and not is_plausible_instant(article.published_at, now):
        article = article.model_copy(update={"published_at": None})
    body = article.model_dump(mode="json", exclude={"kind", "capture", "locator"})
    key = make_article_key(article.url)
    offered = insert(Observation).values(
        source=run.source,
        source_key=key,
        content_hash=hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest(),
        kind=article.kind,
        body=body,
        capture_id=capture_ids[article.capture],
        locator=article.locator,
        first_seen_at=run.finished_at,
        seen_at=run.finished_at,
    )
    is_new: bool = connection.execute(
        offered.on_conflict_do_update(
            index_elements=[Observation.source, Observation.source_key, Observation.content_hash],
            set_={"seen_at": func.greatest(Observation.seen_at, offered.excluded.seen_at)},
        ).returning(literal_column("xmax = 0"))
    ).scalar_one()
    record_event(
        connection,
        kind=EventKind.NEWS_ARTICLE,
        subject=key,
        dedupe_key=f"{EventKind.NEWS_ARTICLE}:{key}",
        certainty=Certainty.CONFIRMED,
        occurred_at=article.published_at or run.finished_at,
        payload=ArticlePayload(**body, sources=(run.source,)),
        recorded_at=now,
    )
    return is_new

"""The local inbox is read as it grows: each message once, none before it is whole."""

from datetime import UTC, datetime
from pathlib import Path

from alerts.inbox import INBOX_FILE, InboxReader, append_message, read_inbox

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


def add(home: Path, key: str) -> None:
    append_message(home / INBOX_FILE, key=key, title=f"title {key}", body="body", at=AT)


def test_each_look_gives_what_came_since_and_still_knows_a_repeat(tmp_path: Path) -> None:
    reader = InboxReader(tmp_path)
    assert reader.read_new() == []
    add(tmp_path, "a")
    add(tmp_path, "b")
    assert [(message.key, message.is_repeat) for message in reader.read_new()] == [("a", False), ("b", False)]
    assert reader.read_new() == []
    add(tmp_path, "a")
    assert [(message.key, message.is_repeat) for message in reader.read_new()] == [("a", True)]
    assert [message.key for message in read_inbox(tmp_path)] == ["a", "b", "a"]


def test_half_a_line_is_waited_for_and_one_left_by_a_crash_is_passed_over(tmp_path: Path) -> None:
    reader = InboxReader(tmp_path)
    path = tmp_path / INBOX_FILE
    add(tmp_path, "a")
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    assert [message.key for message in reader.read_new()] == ["a"]
    path.write_bytes(whole + whole)
    assert [(message.key, message.is_repeat) for message in reader.read_new()] == [("a", True)]
    path.write_bytes(whole + whole + whole[:20])
    assert reader.read_new() == []
    add(tmp_path, "b")
    assert [message.key for message in reader.read_new()] == ["b"]


def test_inbox_that_was_put_aside_begins_anew(tmp_path: Path) -> None:
    reader = InboxReader(tmp_path)
    add(tmp_path, "a")
    add(tmp_path, "b")
    reader.read_new()
    (tmp_path / INBOX_FILE).unlink()
    add(tmp_path, "a")
    assert [(message.key, message.is_repeat) for message in reader.read_new()] == [("a", False)]

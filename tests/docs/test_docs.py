"""What the documentation lists is what there is."""

import re
from pathlib import Path

from flows.commands_page import render_commands
from models.settings_page import renew_settings
from models.tables.document import render_data_model

ROOT = Path(__file__).parents[2]


def test_data_model_page_is_current() -> None:
    assert (ROOT / "docs/data-model.md").read_text() == render_data_model(), "run `make docs`"


def test_settings_table_is_current() -> None:
    page = (ROOT / "docs/operate.md").read_text()
    assert page == renew_settings(page), "run `make docs`"


def test_commands_page_is_current() -> None:
    assert (ROOT / "docs/commands.md").read_text() == render_commands(), "run `make docs`"


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)} -> {target}"
        for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
        for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []

"""Renders the settings table of docs/operate.md from the settings themselves."""

from pathlib import Path

from models.settings import Settings

START, END = "| variable | default | meaning |\n|---|---|---|\n", "\n## Feeds of your own"


def render_settings() -> str:
    """One table row a setting: variable, default, meaning."""
    rows = []
    for name, field in Settings.model_fields.items():
        variable = field.validation_alias if isinstance(field.validation_alias, str) else f"TARMAC_{name.upper()}"
        default = "" if field.default in (None, "") else f"`{field.default}`"
        rows.append(f"| `{variable}` | {default} | {field.description} |\n")
    return "".join(rows)


def renew_settings(page: str) -> str:
    """The page with its settings table replaced by the present one."""
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}{render_settings()}{END}{after}"


if __name__ == "__main__":
    operate = Path("docs/operate.md")
    operate.write_text(renew_settings(operate.read_text()))

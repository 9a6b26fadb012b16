"""Make hostile text harmless: callsigns, registrations and headlines are written by strangers.

A message may be shown as plain text, HTML, Markdown or Slack's own markup, and some of them turn anything that looks
like an address into a link, or ``@everyone`` into a call to a whole room. So what could be markup is replaced by signs
that look alike and mean nothing, whatever the channel.
"""

import re
import unicodedata
from urllib.parse import quote, urlsplit

LOOKALIKES = str.maketrans(
    {
        "<": "‹",
        ">": "›",
        "[": "(",
        "]": ")",
        "{": "(",
        "}": ")",
        "`": "'",
        "*": "∗",
        "~": "∼",
        "|": "¦",
        "\\": "∖",
        "#": "＃",
        "@": "＠",
        "&": "＆",
    }
)
DOT = "․"  # ONE DOT LEADER: reads as a dot, makes no link
COLON = "꞉"


def clean_text(text: str, limit: int) -> str:
    """One line of a stranger's text: no control signs, no markup, no links, at most ``limit`` characters."""
    visible = "".join(
        " " if unicodedata.category(sign) in {"Cc", "Zl", "Zp", "Zs"} else sign
        for sign in unicodedata.normalize("NFC", text[: limit * 20])
        if unicodedata.category(sign) not in {"Cf", "Co", "Cs", "Cn"} or sign in "\n\r\t"
    )
    visible = re.sub(r"\s+", " ", visible).strip()
    visible = re.sub(r"://", f"{COLON}//", visible)
    visible = re.sub(r"(?i)\b(mailto|javascript|data|tel|sms|www)([:.])", _defuse_scheme, visible)
    visible = re.sub(r"(?<=\w)\.(?=[^\W\d_]{2,})", DOT, visible)
    visible = re.sub(r"(?<![^\W_])_|_(?![^\W_])", "ˍ", visible)  # inside a word it marks nothing up
    visible = _limit_marks(visible.translate(LOOKALIKES))
    return visible if len(visible) <= limit else visible[: limit - 1].rstrip() + "…"


def clean_code(text: str, limit: int = 10) -> str:
    """A callsign, registration or airport code: letters, digits and dashes, in capitals; the rest is dropped."""
    return re.sub(r"[^A-Z0-9-]", "", text.upper())[:limit]


def clean_link(url: str) -> str | None:
    """An address that may be shown as a link, or None: only http(s) to a host, no credentials, nothing unescaped."""
    try:
        parts = urlsplit(url.strip())
        host = (parts.hostname or "").encode("idna").decode("ascii")
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not re.fullmatch(r"[a-z0-9.-]+", host) or "@" in parts.netloc:
        return None
    path = quote(parts.path, safe="/%-._~!$,=:;+")
    query = quote(parts.query, safe="/%-._~!$,=:;+&?")
    link = f"{parts.scheme}://{host}{port}{path}" + (f"?{query}" if query else "")
    return link if len(link) <= 500 else None


def _defuse_scheme(match: re.Match[str]) -> str:
    return match[1] + (DOT if match[2] == "." else COLON)


def _limit_marks(text: str) -> str:
    """At most two combining marks a letter, so that none climbs over the lines around it."""
    kept: list[str] = []
    marks = 0
    for sign in text:
        marks = marks + 1 if unicodedata.combining(sign) else 0
        if marks <= 2:
            kept.append(sign)
    return "".join(kept)

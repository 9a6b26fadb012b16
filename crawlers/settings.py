"""How Tarmac behaves towards publishers and protects itself from their answers; nothing that matters is a default."""

import ipaddress
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from models.settings import Settings

WORDY_LOGGERS = (
    "scrapy.addons",
    "scrapy.crawler",
    "scrapy.middleware",
    "scrapy.utils.log",
    "scrapy.extensions.memusage",
)
"""Say the same on every crawl; only their warnings are kept."""

DOWNLOADER_MIDDLEWARES = {
    "scrapy.downloadermiddlewares.robotstxt.RobotsTxtMiddleware": 100,
    "scrapy.downloadermiddlewares.downloadtimeout.DownloadTimeoutMiddleware": 350,
    "scrapy.downloadermiddlewares.defaultheaders.DefaultHeadersMiddleware": 400,
    "scrapy.downloadermiddlewares.useragent.UserAgentMiddleware": 500,
    "scrapy.downloadermiddlewares.httpcompression.HttpCompressionMiddleware": 590,
    "scrapy.downloadermiddlewares.redirect.RedirectMiddleware": 600,
    "crawlers.egress.EgressMiddleware": 940,
    "crawlers.capture.CaptureMiddleware": 950,
}
"""All there are, first to last on the way out. Cookies, retries, proxies, caches and passwords are left out on purpose:
a proxy would resolve names for us, and a failed question is asked again by the next crawl, never at once."""

EXTENSIONS = {
    "scrapy.extensions.corestats.CoreStats": 0,
    "scrapy.extensions.memusage.MemoryUsage": 0,
    "scrapy.extensions.throttle.AutoThrottle": 0,
}
"""All there are. The remote control, which runs code in the crawl process, and the telnet console are not loaded."""

PROJECT_URL = "https://github.com/tarmac-watch/tarmac"
MEBIBYTE = 1024 * 1024


def describe_ourselves(contact: str) -> str:
    """The User-Agent: what asks, where it is explained, and whom to write to."""
    try:
        version = metadata.version("tarmac-watch")
    except metadata.PackageNotFoundError:
        version = "source"
    printable = "".join(
        letter for letter in contact if letter.isascii() and letter.isprintable() and letter not in "()"
    )
    return f"Tarmac/{version} (+{PROJECT_URL}{'; ' + printable if printable else ''})"


def is_loopback(address: str | None) -> bool:
    """Whether an address names this machine by number or as ``localhost``."""
    host = urlsplit(address or "").hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def make_scrapy_settings(settings: Settings, bundle: Path) -> dict[str, Any]:
    """Scrapy's settings for one crawl into one bundle."""
    at_home = is_loopback(settings.source_base_url)
    delay_s = 0.0 if at_home else 1.0
    return {
        "BOT_NAME": "Tarmac",
        "USER_AGENT": describe_ourselves(settings.contact),
        "TARMAC_BUNDLE": str(bundle),
        "TARMAC_SOURCE_BASE_URL": settings.source_base_url,
        "TARMAC_WATCHLIST": str(settings.watchlist) if settings.watchlist else None,
        # towards publishers: slow, alone, by their rules
        "ROBOTSTXT_OBEY": True,
        "ROBOTSTXT_USER_AGENT": "Tarmac",
        "CONCURRENT_REQUESTS": 1,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 1,
        "DOWNLOAD_DELAY": delay_s,
        "AUTOTHROTTLE_ENABLED": not at_home,
        "AUTOTHROTTLE_START_DELAY": delay_s,
        "AUTOTHROTTLE_MAX_DELAY": 30.0,
        "RETRY_ENABLED": False,
        "COOKIES_ENABLED": False,
        "REFERER_ENABLED": True,
        "REFERRER_POLICY": "no-referrer",
        "HTTPCACHE_ENABLED": False,
        # towards ourselves: bounded, verified, and only http
        "DOWNLOAD_VERIFY_CERTIFICATES": True,
        "DOWNLOAD_HANDLERS": {"file": None, "ftp": None, "s3": None, "data": None},
        "DOWNLOAD_MAXSIZE": 32 * MEBIBYTE,
        "DOWNLOAD_WARNSIZE": 16 * MEBIBYTE,
        "DOWNLOAD_TIMEOUT": 30,
        "DOWNLOAD_FAIL_ON_DATALOSS": True,
        "DNS_TIMEOUT": 10,
        "REDIRECT_MAX_TIMES": 5,
        "METAREFRESH_ENABLED": False,
        "HTTPPROXY_ENABLED": False,
        "MEMUSAGE_ENABLED": True,
        "MEMUSAGE_LIMIT_MB": 768,
        "URLLENGTH_LIMIT": 16_384,
        "REMOTE_CONTROL_ENABLED": False,
        "TELNETCONSOLE_ENABLED": False,
        # logs go to the bundle: no item bodies (scraped items are logged at DEBUG)
        "LOG_LEVEL": "INFO",
        "LOGSTATS_INTERVAL": 0,
        "LOG_VERSIONS": [],
        "STATS_DUMP": False,
        "TWISTED_REACTOR": "twisted.internet.asyncioreactor.AsyncioSelectorReactor",
        "DOWNLOADER_MIDDLEWARES_BASE": DOWNLOADER_MIDDLEWARES,
        "EXTENSIONS_BASE": EXTENSIONS,
    }

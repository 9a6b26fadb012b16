"""adsb.fi: live positions from volunteers' receivers; the second source to ask."""

from datetime import timedelta

from crawlers.platforms.adsbx_v2 import AdsbxV2Spider
from models.vocab.source import Lineage, Range, Source


class AdsbFiSpider(AdsbxV2Spider):
    """Live positions from adsb.fi."""

    prefix = "/api/v2"
    canary_path = "/lat/33.64/lon/-84.43/dist/50"
    source = Source(
        slug="adsb_fi",
        title="adsb.fi live positions",
        publisher="adsb.fi",
        url="https://opendata.adsb.fi/api/v2",
        home="https://github.com/adsbfi/opendata",
        lineage=Lineage.RADIO_NETWORK,
        licence="personal, non-commercial use; no resale",
        attribution="Data from adsb.fi (https://adsb.fi)",
        terms="one request a second; adsb.fi is named with a link wherever its data is shown",
        automation="a public interface made for programs, without a key",
        cadence=timedelta(minutes=1),
        expects={"position": Range(least=0, most=1000)},
        canary=Range(least=1, most=100_000),
        personal_data=False,
    )

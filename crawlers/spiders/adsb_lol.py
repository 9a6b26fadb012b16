"""adsb.lol: live positions from volunteers' receivers, unfiltered and free to publish. The default."""

from datetime import timedelta

from crawlers.platforms.adsbx_v2 import AdsbxV2Spider
from models.vocab.source import Lineage, Range, Source


class AdsbLolSpider(AdsbxV2Spider):
    """Live positions from adsb.lol."""

    source = Source(
        slug="adsb_lol",
        title="adsb.lol live positions",
        publisher="adsb.lol contributors",
        url="https://api.adsb.lol/v2",
        home="https://github.com/adsblol/api",
        lineage=Lineage.RADIO_NETWORK,
        licence="ODbL 1.0",
        attribution="© adsb.lol contributors, ODbL 1.0",
        terms="rate limited by load; parallel requests are refused, so one is in flight at a time",
        automation="a public interface made for programs, without a key",
        cadence=timedelta(minutes=1),
        expects={"position": Range(least=0, most=1000)},
        canary=Range(least=1, most=100_000),
        personal_data=False,
    )

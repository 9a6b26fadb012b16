"""airplanes.live: live positions from volunteers' receivers; the third source to ask."""

from datetime import timedelta

from crawlers.platforms.adsbx_v2 import AdsbxV2Spider
from models.vocab.source import Lineage, Range, Source


class AirplanesLiveSpider(AdsbxV2Spider):
    """Live positions from airplanes.live."""

    source = Source(
        slug="airplanes_live",
        title="airplanes.live positions",
        publisher="airplanes.live",
        url="https://api.airplanes.live/v2",
        home="https://airplanes.live/api-guide/",
        lineage=Lineage.RADIO_NETWORK,
        licence="not stated for reuse; treated as non-commercial",
        attribution="Data from airplanes.live",
        terms="one request a second; some users were asked to write first (2026), so ask them before relying on it",
        automation="a public interface made for programs, without a key",
        cadence=timedelta(minutes=1),
        expects={"position": Range(least=0, most=1000)},
        canary=Range(least=1, most=100_000),
        personal_data=False,
    )

"""adsb.lol's archive: the day file of each aircraft, which confirms or corrects what was seen live."""

from datetime import timedelta

from crawlers.platforms.trace_day import TraceDayFiles
from models.vocab.source import Lineage, Range, Source


class AdsbLolTracesSpider(TraceDayFiles):
    """Day files from adsb.lol."""

    source = Source(
        slug="adsb_lol_traces",
        title="adsb.lol day files",
        publisher="adsb.lol contributors",
        url="https://adsb.lol/globe_history/",
        home="https://github.com/adsblol/globe_history_2026",
        lineage=Lineage.RADIO_NETWORK,
        licence="ODbL 1.0 (the receivers' owners waive their rights under CC0)",
        attribution="© adsb.lol contributors, ODbL 1.0",
        terms="a file is about 25 kB; one is fetched at a time, a second apart",
        automation="an open archive, without a key; a day is complete about an hour after midnight UTC",
        cadence=timedelta(days=1),
        expects={"position": Range(least=0, most=5_000_000)},
        canary=Range(least=1, most=31),
        personal_data=False,
        redirects_to=("globe.adsb.lol",),
    )

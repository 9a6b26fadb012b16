"""``tarmac serve``: do what Prefect schedules, on this machine or on another beside it."""

import click


@click.command()
def serve() -> None:
    """Run the scheduled jobs until stopped. Needs DATABASE_URL and PREFECT_API_URL; `tarmac run` does it by itself."""
    from flows.serve import main

    main()

"""Any order of enqueueing, claiming, sending, failing, dying and waiting keeps the outbox's promise.

The model knows only what a receiver and an operator see; the rows are PostgreSQL's. Without the token this machine
finds a claim that was settled by another's late write (checked below, so that it can fail).
"""

import os
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, text

from alerts.answer import Answer, Outcome
from alerts.match import match_events
from alerts.outbox import LEASE, expire_old, settle_claim
from models.secrets import InstanceKey
from models.store.delivery import Claimed, claim_delivery, release_workers
from models.store.session import transaction
from tests.alerts.telling import NOW, make_channel, make_event, subscribe

EXAMPLES = 4000 if os.environ.get("TARMAC_CHAOS") else 30
FAILURES = (Answer(Outcome.TEMPORARY, "http 503"), Answer(Outcome.UNCERTAIN, "deadline"))


class OutboxMachine(RuleBasedStateMachine):
    """Two channels, any number of workers. ``is_fenced`` false plants the bug."""

    engine: Engine
    key: InstanceKey
    is_fenced = True
    claims = Bundle("claims")

    @initialize()
    def begin(self) -> None:
        with self.engine.begin() as connection:
            connection.execute(text("truncate channel, subscription, event, match, delivery, attempt cascade"))
        self.now: datetime = NOW
        self.channels = [make_channel(self.engine, self.key, "inbox://local", label) for label in ("one", "two")]
        for channel in self.channels:
            subscribe(self.engine, channel)
        self.expected_count = 0
        self.accepted: dict[UUID, int] = {}
        self.acked: set[UUID] = set()
        self.unsettled: dict[UUID, int] = {}

    @rule()
    def enqueue(self) -> None:
        make_event(self.engine, now=self.now)
        assert match_events(self.engine, self.now) == 2
        self.expected_count += 2

    @rule(target=claims, channel=st.integers(0, 1), worker=st.sampled_from(["w1", "w2"]))
    def claim(self, channel: int, worker: str) -> tuple[Claimed | None, str]:
        with transaction(self.engine) as connection:
            claimed = claim_delivery(connection, self.channels[channel], worker=worker, now=self.now, lease=LEASE)
        if claimed is not None:
            assert claimed.delivery_id not in self.acked, "what was acked is never sent again"
            died_before = self.unsettled.get(claimed.delivery_id, 0)
            assert not died_before or claimed.is_repeat, "a repeat after an interruption says so"
            self.unsettled[claimed.delivery_id] = died_before + 1
        return claimed, worker

    @rule(held=consumes(claims))
    def send_and_ack(self, held: tuple[Claimed | None, str]) -> None:
        self._finish(held[0], Answer(Outcome.SENT, "accepted"), is_accepted=True)

    @rule(held=consumes(claims), answer=st.sampled_from(FAILURES))
    def send_and_fail(self, held: tuple[Claimed | None, str], answer: Answer) -> None:
        self._finish(held[0], answer, is_accepted=False)

    @rule(held=consumes(claims), was_sent=st.booleans())
    def kill(self, held: tuple[Claimed | None, str], was_sent: bool) -> None:
        if held[0] is not None and was_sent:
            self._accept(held[0])

    @rule(worker=st.sampled_from(["w1", "w2"]))
    def notice_dead_worker(self, worker: str) -> None:
        with transaction(self.engine) as connection:
            release_workers(connection, [worker], self.now)

    @rule(seconds=st.sampled_from([1, 30, 91, 900, -3600]))
    def pass_time(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    def _finish(self, claimed: Claimed | None, answer: Answer, *, is_accepted: bool) -> None:
        if claimed is None:
            return
        if is_accepted:
            self._accept(claimed)
        held_token = claimed.token
        with transaction(self.engine) as connection:
            current = connection.execute(
                text("select token, state from delivery where id = :id"), {"id": claimed.delivery_id}
            ).one()
            if not self.is_fenced:
                claimed = replace(claimed, token=current.token)
            failures = settle_claim(connection, claimed, answer, self.now, timedelta(seconds=5))
        was_mine = current.token == held_token and current.state == "sending"
        assert (failures is not None) == was_mine, "only the holder of the newest claim may settle it"
        if was_mine and answer.outcome is not Outcome.UNCERTAIN:
            self.unsettled[claimed.delivery_id] -= 1
        if was_mine and is_accepted:
            assert claimed.delivery_id not in self.acked, "acked once"
            self.acked.add(claimed.delivery_id)

    def _accept(self, claimed: Claimed) -> None:
        self.accepted[claimed.delivery_id] = self.accepted.get(claimed.delivery_id, 0) + 1

    @invariant()
    def nothing_vanishes(self) -> None:
        with self.engine.connect() as connection:
            states = dict(connection.execute(text("select state, count(*) from delivery group by state")).all())
        assert sum(states.values()) == self.expected_count
        assert states.get("sent", 0) == len(self.acked)

    def teardown(self) -> None:
        """In the end, with a working channel, everything arrives, and at most one copy more for each interruption."""
        if not hasattr(self, "channels") or not self.is_fenced:
            return
        self.now += timedelta(hours=2)
        expire_old(self.engine, self.now)
        for channel in self.channels * 50:
            with transaction(self.engine) as connection:
                claimed = claim_delivery(connection, channel, worker="last", now=self.now, lease=LEASE)
            if claimed is not None:
                self._accept(claimed)
                with transaction(self.engine) as connection:
                    settle_claim(connection, claimed, Answer(Outcome.SENT, "accepted"), self.now, timedelta())
        if self.expected_count <= 100:
            assert len(self.accepted) == self.expected_count


@pytest.fixture
def machine(engine: Engine, key: InstanceKey) -> type[OutboxMachine]:
    class OnThisDatabase(OutboxMachine):
        pass

    OnThisDatabase.engine, OnThisDatabase.key = engine, key
    return OnThisDatabase


def run(machine: type[OutboxMachine], examples: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
            # A found example is short enough to read, and making it shorter takes minutes on a real database.
            phases=[Phase.generate],
            report_multiple_bugs=False,
        ),
    )


@pytest.mark.timeout(3600)
def test_the_outbox_keeps_its_promise_in_any_order_of_things(machine: type[OutboxMachine]) -> None:
    run(machine, EXAMPLES)


@pytest.mark.chaos
@pytest.mark.skipif(not os.environ.get("TARMAC_CHAOS"), reason="takes minutes; the kill tests plant the same bug")
@pytest.mark.timeout(1800)
def test_without_the_token_the_same_machine_finds_a_foreign_settlement(machine: type[OutboxMachine]) -> None:
    machine.is_fenced = False
    with pytest.raises(AssertionError, match="newest claim may settle"):
        run(machine, 2000)

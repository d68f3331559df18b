"""Which orders are carried out, and what is said of the others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from station_agent.link.inbox import SEEN_MAX, Execute, Ignore, Refuse, Seen, expired, judge
from station_agent.wire.commands import Command, DoorOpen
from station_agent.wire.kinds import CommandStatus
from station_agent.wire.signed import key_id, sign

NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
HUB = Ed25519PrivateKey.from_private_bytes(b"h" * 32)
KEYS = {key_id(HUB.public_key()): HUB.public_key()}


def command(**changes: Any) -> Command:
    given: dict[str, Any] = {
        "id": UUID(int=1),
        "station": "demo-01",
        "order": DoorOpen(),
        "actor": "operator",
        "reason": "let somebody in",
        "issued_at": NOW,
        "expires_at": NOW + timedelta(seconds=15),
        **changes,
    }
    return Command(**given)


def sealed(order: Command, key: Ed25519PrivateKey = HUB) -> bytes:
    return sign("command", order.model_dump_json(), key)


def ask(payload: bytes, seen: Seen | None = None, now: datetime = NOW, *, trusted: bool = True) -> Any:
    return judge(payload, station="demo-01", keys=KEYS, seen=seen or Seen(), now=now, clock_trusted=trusted)


def test_a_fresh_order_of_the_hub_is_carried_out() -> None:
    assert ask(sealed(command())) == Execute(command())


def test_an_order_with_a_strange_key_is_ignored_and_says_forged() -> None:
    verdict = ask(sealed(command(), Ed25519PrivateKey.generate()))
    assert isinstance(verdict, Ignore)
    assert "forged" in verdict.reason


def test_an_order_whose_text_was_changed_is_ignored() -> None:
    payload = sealed(command(station="demo-02")).replace(b"demo-02", b"demo-01")
    assert "signature" in ask(payload).reason


def test_a_document_of_the_hub_is_no_order() -> None:
    assert isinstance(ask(sign("document", command().model_dump_json(), HUB)), Ignore)


def test_an_order_for_another_station_is_refused_by_name() -> None:
    verdict = ask(sealed(command(station="demo-02")))
    assert isinstance(verdict, Refuse)
    assert (verdict.command, verdict.status) == (UUID(int=1), CommandStatus.REFUSED)
    assert "demo-02" in verdict.detail


def test_an_order_is_expired_at_its_very_second() -> None:
    end = NOW + timedelta(seconds=15)
    assert isinstance(ask(sealed(command()), now=end - timedelta(microseconds=1)), Execute)
    verdict = ask(sealed(command()), now=end)
    assert isinstance(verdict, Refuse)
    assert verdict.status is CommandStatus.EXPIRED
    assert expired(command(), end)


def test_an_order_seen_before_is_ignored_so_that_its_true_answer_stands() -> None:
    seen = Seen()
    seen.add(UUID(int=1), NOW + timedelta(seconds=15), NOW)
    verdict = ask(sealed(command()), seen)
    assert isinstance(verdict, Ignore)
    assert "replayed" in verdict.reason


def test_an_order_that_would_live_too_long_is_refused() -> None:
    assert isinstance(ask(sealed(command(expires_at=NOW + timedelta(seconds=61)))), Refuse)


def test_an_order_from_the_future_is_refused() -> None:
    issued = NOW + timedelta(seconds=31)
    verdict = ask(sealed(command(issued_at=issued, expires_at=issued + timedelta(seconds=5))))
    assert "check both clocks" in verdict.detail


def test_without_a_trusted_clock_no_order_is_carried_out() -> None:
    assert "cannot be trusted" in ask(sealed(command()), trusted=False).detail


def test_an_order_of_another_version_is_ignored_with_its_mistake() -> None:
    body = command().model_dump_json().replace("door.open", "door.weld")
    assert "order" in ask(sign("command", body, HUB)).reason


def test_the_memory_of_ids_is_bounded_and_then_refuses() -> None:
    seen = Seen()
    for number in range(SEEN_MAX):
        seen.add(UUID(int=number + 10), NOW + timedelta(seconds=30), NOW)
    assert isinstance(ask(sealed(command()), seen), Refuse)
    later = NOW + timedelta(seconds=31)
    fresh = command(issued_at=later, expires_at=later + timedelta(seconds=15))
    assert isinstance(ask(sealed(fresh), seen, later), Execute)
    seen.add(UUID(int=1), later, later)
    assert UUID(int=10) not in seen


@given(payload=st.binary(max_size=400))
def test_no_bytes_that_nobody_signed_are_an_order(payload: bytes) -> None:
    assert isinstance(ask(payload), Ignore)


@pytest.mark.parametrize("cut", [0, 1, 50, -1])
def test_a_cut_order_is_ignored(cut: int) -> None:
    assert isinstance(ask(sealed(command())[:cut]), Ignore)

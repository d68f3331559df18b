"""What keeps running: supervisor, sign, rejections, health, clock, transport rules."""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
from datetime import timedelta
from pathlib import Path

import pytest

from firmware_bridge.capabilities import Bitmap, DeviceTimeout
from station_agent.clock import RELEASED_AT, SystemClock, boot_id
from station_agent.health import Status, StatusPipe, SystemdNotifier
from station_agent.link.mqtt import LinkRefused, check_transport
from station_agent.signs.render import pages
from station_agent.signs.service import SENTENCE_S, SignService
from station_agent.supervisor import Essential, Policy, Supervisor
from station_agent.telemetry.rejects import KINDS_MAX, TELL_S, Rejections
from station_agent.telemetry.store import Store
from station_agent.wire.kinds import Reason
from station_agent.wire.link import BrokerLink
from tests.harness.fake_clock import FakeClock


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


# --- supervisor ---


class Service:
    """Runs until it is told to fail."""

    def __init__(self) -> None:
        self.starts = 0
        self.fail = asyncio.Event()

    async def run(self) -> None:
        self.starts += 1
        self.fail.clear()
        await self.fail.wait()
        raise RuntimeError("it broke")


@pytest.fixture
def supervisor(clock: FakeClock) -> Supervisor:
    return Supervisor(clock, random.Random(1))


async def stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_service_that_fails_starts_again_and_takes_no_other_with_it(
    supervisor: Supervisor, clock: FakeClock
) -> None:
    bad, good = Service(), Service()
    supervisor.keep("bad", bad.run)
    supervisor.keep("good", good.run)
    running = asyncio.create_task(supervisor.run())
    await turns()
    for failures in range(1, 4):
        bad.fail.set()
        await turns()
        assert not supervisor.health["bad"].running
        assert supervisor.health["bad"].detail == "RuntimeError: it broke"
        clock.pass_by(61)
        await turns()
        assert (bad.starts, good.starts) == (1 + failures, 1)
    await stopped(running)


async def test_pauses_grow_and_are_short_again_after_a_healthy_time(supervisor: Supervisor, clock: FakeClock) -> None:
    service = Service()
    supervisor.keep("s", service.run, Policy(pause_s_first=1, pause_s_max=8, healthy_s=30))
    running = asyncio.create_task(supervisor.run())
    await turns()
    longest = []
    for _ in range(5):
        service.fail.set()
        await turns()
        longest.append(max(clock.sleeping))
        clock.pass_by(8)
        await turns()
    assert all(0.5 * most <= pause <= most for pause, most in zip(longest, (1, 2, 4, 8, 8), strict=True))
    clock.pass_by(31)
    service.fail.set()
    await turns()
    assert max(clock.sleeping) <= 1
    await stopped(running)


async def test_an_essential_service_that_keeps_failing_ends_the_process(
    supervisor: Supervisor, clock: FakeClock
) -> None:
    async def broken() -> None:
        raise OSError("no disk")

    supervisor.keep("store", broken, Policy(failures_max=3))
    running = asyncio.create_task(supervisor.run())
    for _ in range(3):
        await turns()
        clock.pass_by(61)
    with pytest.raises(Essential, match="store failed 3 times in a row: OSError: no disk"):
        await running


def test_a_service_has_one_name(supervisor: Supervisor) -> None:
    supervisor.keep("a", Service().run)
    with pytest.raises(ValueError, match="already"):
        supervisor.keep("a", Service().run)


# --- sign ---


class ScriptedSign:
    """Takes what is shown, or does not."""

    name = "sign"
    size = (128, 16)

    def __init__(self) -> None:
        self.shown: list[list[Bitmap]] = []
        self.silent = False

    async def show_text(self, text: str) -> None:
        raise AssertionError("Chinese has no place in a sign's own font")

    async def show_pages(self, given: object) -> None:
        if self.silent:
            raise DeviceTimeout("sign", "no answer")
        self.shown.append(list(given))  # type: ignore[call-overload]


def drawn(text: str) -> list[Bitmap]:
    return pages(text, ScriptedSign.size, 4)


async def test_a_sentence_stands_over_the_managers_text_and_that_over_the_idle_text(
    store: Store, clock: FakeClock
) -> None:
    sign = ScriptedSign()
    service = SignService(sign, "欢迎", 4, store=store, clock=clock)
    running = asyncio.create_task(service.run())
    await turns()
    assert sign.shown[-1] == drawn("欢迎")
    await service.set_text("有热水", 60)
    assert sign.shown[-1] == drawn("有热水")
    service.tell(Reason.MEMBER)
    await turns()
    assert service.shown == "请进"
    clock.pass_by(SENTENCE_S + 1)
    service.say("")  # wakes it: the loop's own timer does not know this clock
    clock.pass_by(SENTENCE_S + 1)
    await turns()
    again = SignService(sign, "欢迎", 4, store=store, clock=clock)
    await again.load()
    await stopped(running)
    running = asyncio.create_task(again.run())
    await turns()
    assert again.shown == "有热水", "it outlives a restart"
    await stopped(running)
    clock.pass_by(60)
    running = asyncio.create_task(again.run())
    await turns()
    assert again.shown == "欢迎", "and ends when its time is over"
    await stopped(running)


async def test_what_somebody_is_asked_to_do_stands_on_the_sign_before_it_counts(store: Store, clock: FakeClock) -> None:
    sign = ScriptedSign()
    service = SignService(sign, "欢迎", 4, store=store, clock=clock)
    running = asyncio.create_task(service.run())
    await turns()
    await service.ask("请低头", 10)
    assert service.shown == "请低头"
    sign.silent = True
    with pytest.raises(DeviceTimeout):
        await service.ask("请抬头", 10)
    await stopped(running)


async def test_a_sign_that_is_silent_is_told_to_who_waits_and_tried_again(store: Store, clock: FakeClock) -> None:
    sign = ScriptedSign()
    service = SignService(sign, "欢迎", 4, store=store, clock=clock)
    running = asyncio.create_task(service.run())
    await turns()
    sign.silent = True
    with pytest.raises(DeviceTimeout):
        await service.set_text("有热水", 0)
    sign.silent = False
    clock.pass_by(1)
    await turns()
    assert service.shown == "有热水"
    await stopped(running)


async def test_a_sign_service_ends_though_a_sentence_comes_in_the_same_moment(store: Store, clock: FakeClock) -> None:
    service = SignService(ScriptedSign(), "欢迎", 4, store=store, clock=clock)
    running = asyncio.create_task(service.run())
    await turns()
    service.tell(Reason.MEMBER)
    await turns()
    service.say("再见")
    running.cancel()
    await turns()
    assert running.cancelled()


# --- rejections ---


def test_the_first_bad_input_is_told_at_once_and_the_others_as_a_count() -> None:
    rejections = Rejections()
    first = rejections.note("command", "forged", 0)
    assert first is not None
    assert first.count == 1
    assert all(rejections.note("command", "forged", 1) is None for _ in range(99))
    assert rejections.flush(TELL_S - 1) == []
    (told,) = rejections.flush(TELL_S)
    assert told.count == 99
    assert rejections.flush(TELL_S * 2) == []
    assert rejections.note("command", "forged", TELL_S * 2 + 1) is not None, "after a quiet time it is news again"
    assert rejections.total == 101


def test_whoever_sends_nonsense_does_not_choose_our_memory() -> None:
    rejections = Rejections()
    told = [rejections.note("command", f"reason {number}", 0) for number in range(1000)]
    assert sum(event is not None for event in told) == KINDS_MAX + 1
    assert sum(event.count for event in rejections.flush(TELL_S)) == 1000 - KINDS_MAX - 1


# --- health and clock ---


def test_a_change_of_status_is_one_line_and_a_full_pipe_blocks_nobody() -> None:
    ours, theirs = os.pipe()
    try:
        pipe = StatusPipe(theirs)
        status = Status("secured", False, True, 3, 0, "欢迎", 0)
        pipe.tell(status)
        pipe.tell(status)
        assert [json.loads(line)["door"] for line in os.read(ours, 9999).splitlines()] == ["secured"]
        for spooled in range(5000):
            pipe.tell(Status("secured", False, True, 3, spooled, "", 0))
    finally:
        os.close(ours)
        os.close(theirs)


def test_systemd_is_told_and_its_absence_is_no_matter(tmp_path: Path) -> None:
    SystemdNotifier(None, None).tell("READY=1")
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(path))
        notifier = SystemdNotifier(str(path), "20000000")
        assert notifier.beat_s == 10
        notifier.tell("WATCHDOG=1")
        assert listening.recv(100) == b"WATCHDOG=1"
    notifier.tell("WATCHDOG=1")  # nobody listens any more


def test_a_clock_behind_what_has_surely_passed_is_not_believed(clock: FakeClock) -> None:
    assert clock.trusted()
    clock.passed(clock.now() + timedelta(hours=1))
    assert not clock.trusted()
    clock.pass_by(3600)
    assert clock.trusted()
    clock.set(RELEASED_AT - timedelta(days=1))
    assert not clock.trusted()
    assert SystemClock(RELEASED_AT - timedelta(days=900)).floor == RELEASED_AT
    assert 8 <= len(boot_id()) <= 36


# --- transport ---


def broker(host: str, ca_file: Path | None = None) -> BrokerLink:
    return BrokerLink(host=host, port=1883, username="u", password="p", ca_file=ca_file)  # type: ignore[arg-type]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_a_broker_on_this_machine_needs_no_tls(host: str) -> None:
    check_transport(broker(host))


@pytest.mark.parametrize("host", ["10.0.0.1", "hub.example", "0.0.0.0"])
def test_a_broker_elsewhere_without_tls_is_refused_with_what_to_do(host: str) -> None:
    with pytest.raises(LinkRefused, match=r"Add broker\.ca_file"):
        check_transport(broker(host))


def test_a_ca_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LinkRefused, match=r"hub\.pem"):
        check_transport(broker("hub.example", tmp_path / "hub.pem"))

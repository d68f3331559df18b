"""The strike's heater: when it is on, what no sequence of temperatures brings about, and what happens at its output."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from firmware_bridge.capabilities import ControlRange, DeviceTimeout, Quality, Reading
from station_agent.access.heater import KEPT_S, Heater, HeaterSettings, step
from station_agent.access.heating import LOOK_S, REPEAT_S, Heating
from station_agent.wire.profile import HeaterRow
from tests.harness.fake_clock import FakeClock

SETTINGS = HeaterSettings(on_below_c=-5, off_above_c=-2, on_max_s=3600, rest_s=600)
ROW = HeaterRow(output="relays.relay_2", temperature="climate.temperature")


def after(
    *seen: tuple[float, float | None], ordered: bool = False, settings: HeaterSettings = SETTINGS
) -> tuple[Heater, list[bool]]:
    heater, on = Heater(), []
    for now, temperature_c in seen:
        heater = step(heater, temperature_c, ordered, settings, now)
        on.append(heater.on)
    return heater, on


def test_it_is_on_in_the_cold_and_does_not_flutter_at_the_limit() -> None:
    temperatures = [0, -4, -5, -5.1, -4, -2.1, -2, -4, -6]
    _, on = after(*((60.0 * i, t) for i, t in enumerate(temperatures)))
    assert on == [False, False, False, True, True, True, False, False, True]


def test_it_rests_after_its_time() -> None:
    _, on = after((0, -20), (3599, -20), (3600, -20), (4199, -20), (4200, -20))
    assert on == [True, True, False, False, True]


def test_without_a_temperature_it_does_as_the_last_one_said_and_is_off_in_the_end() -> None:
    settings = HeaterSettings(-5, -2, on_max_s=10 * KEPT_S, rest_s=600)
    _, on = after((0, None), (60, -20), (KEPT_S, None), (KEPT_S + 61, None), (KEPT_S + 90, -4), settings=settings)
    assert on == [False, True, True, False, False], "and -4 begins anew from the limit"


def test_extreme_cold_that_is_ordered_heats_whatever_a_sensor_says_and_rests_too() -> None:
    _, on = after((0, None), (60, 18), (3600, None), (3700, None), (4300, None), ordered=True)
    assert on == [True, True, False, False, True]


@given(
    st.lists(
        st.tuples(st.floats(1, 4000), st.none() | st.floats(-50, 40), st.booleans()),
        min_size=1,
        max_size=60,
    )
)
def test_never_on_for_longer_than_allowed_nor_in_the_warmth_nor_on_an_old_temperature(
    seen: list[tuple[float, float | None, bool]],
) -> None:
    heater, now, on_since, off_at = Heater(), 0.0, None, float("-inf")
    last: tuple[float, float] | None = None
    for wait_s, temperature_c, ordered in seen:
        before, now = heater, now + wait_s
        heater = step(heater, temperature_c, ordered, SETTINGS, now)
        if temperature_c is not None:
            last = now, temperature_c
        if heater.on:
            on_since = now if on_since is None else on_since
            assert now - on_since < SETTINGS.on_max_s
            fresh = last is not None and now - last[0] <= KEPT_S and last[1] < SETTINGS.off_above_c
            assert ordered or fresh
            assert before.on or now >= off_at
        else:
            if on_since is not None and now - on_since >= SETTINGS.on_max_s:
                off_at = now + SETTINGS.rest_s
            on_since = None
            cold = temperature_c is not None and temperature_c < SETTINGS.on_below_c
            assert not ((ordered or cold) and not before.on and now >= off_at), "who freezes is heated"


# --- at its output ---


@dataclass
class Relays:
    name: str = "relays"
    dead: bool = False
    written: list[tuple[str, Any]] = field(default_factory=list)
    answer: asyncio.Event = field(default_factory=asyncio.Event)
    one: asyncio.Lock = field(default_factory=asyncio.Lock)  # as drivers do

    def __post_init__(self) -> None:
        self.answer.set()

    @property
    def controls(self) -> Mapping[str, ControlRange]:
        return {"relay_2": ControlRange()}

    async def set(self, point: str, value: float | bool | str) -> Reading:
        if self.dead:
            raise DeviceTimeout(self.name, "no answer")
        if point not in self.controls:
            raise ValueError(f"{self.name} has no {point!r} to set")
        async with self.one:
            self.written.append((point, value))
            await self.answer.wait()
        clock = FakeClock()
        return Reading(self.name, point, value, "", Quality.GOOD, clock.now(), 0.0)


@pytest.fixture
def relays() -> Relays:
    return Relays()


@pytest.fixture
def heating(relays: Relays, clock: FakeClock) -> Heating:
    return Heating(ROW, relays, lambda: False, clock)


def told(clock: FakeClock, value: Any, *, quality: Quality = Quality.GOOD, source: str = ROW.temperature) -> Reading:
    device, _, point = source.partition(".")
    return Reading(device, point, value, "°C", quality, clock.now(), clock.monotonic())


async def test_the_output_follows_the_temperature_and_is_off_when_nobody_watches(
    heating: Heating, relays: Relays, clock: FakeClock
) -> None:
    running = asyncio.create_task(heating.run())
    await asyncio.sleep(0)
    heating.read(told(clock, -20.0))
    clock.pass_by(LOOK_S)
    for _ in range(4):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait({running})
    await heating.close()
    await heating.follow()
    assert relays.written == [("relay_2", False), ("relay_2", True), ("relay_2", False)]


@pytest.mark.parametrize(
    "reading",
    [
        {"value": None, "quality": Quality.MISSING},
        {"value": -20.0, "quality": Quality.STALE},
        {"value": True},
        {"value": "cold"},
        {"value": -327.0},
        {"value": float("nan")},
        {"value": -20.0, "source": "climate.humidity"},
        {"value": -20.0, "source": "other.temperature"},
    ],
)
async def test_what_is_no_good_temperature_of_its_sensor_heats_nothing(
    heating: Heating, clock: FakeClock, reading: dict[str, Any]
) -> None:
    heating.read(told(clock, **reading))
    await heating.follow()
    assert not heating.heater.on


async def test_a_board_that_lost_its_power_is_told_again(heating: Heating, relays: Relays, clock: FakeClock) -> None:
    for _ in range(3):
        heating.read(told(clock, -20.0))
        await heating.follow()
        clock.pass_by(REPEAT_S / 2)
    assert relays.written == [("relay_2", True), ("relay_2", True)]


async def test_it_is_off_at_the_end_also_where_it_was_just_being_switched_on(
    heating: Heating, relays: Relays, clock: FakeClock
) -> None:
    await heating.follow()
    relays.answer.clear()
    heating.read(told(clock, -20.0))
    switching = asyncio.create_task(heating.follow())
    await asyncio.sleep(0)
    closing = asyncio.create_task(heating.close())
    await asyncio.sleep(0)
    relays.answer.set()
    await asyncio.gather(switching, closing)
    assert relays.written == [("relay_2", False), ("relay_2", True), ("relay_2", False)]


async def test_an_output_that_does_not_follow_is_said_and_tried_again(
    heating: Heating, relays: Relays, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    relays.dead = True
    heating.read(told(clock, -20.0))
    for _ in range(3):
        await heating.follow()
    assert heating.silent == "relays: no answer"
    assert len([one for one in caplog.records if one.levelname == "ERROR"]) == 1, "said once"
    relays.dead = False
    await heating.follow()
    assert (heating.silent, relays.written) == (None, [("relay_2", True)])
    wrong = Heating(ROW.model_copy(update={"output": "relays.relay_9"}), relays, lambda: True, clock)
    await wrong.follow()
    assert wrong.silent == "relays has no 'relay_9' to set"


def test_limits_that_would_flutter_are_refused() -> None:
    with pytest.raises(ValidationError, match="half a degree"):
        HeaterRow(output="relays.relay_2", temperature="climate.temperature", on_below_c=-5, off_above_c=-5)

"""What holds for every row of the DRIVERS table, on the virtual station's devices."""

from contextlib import asynccontextmanager

import pytest
from pydantic import ValidationError

from firmware_bridge.capabilities import HealthChanged, Lock, Sensor, Sign
from firmware_bridge.drivers import DRIVERS, Capability
from firmware_bridge.simulators.station import SimulatedStation

pytestmark = [pytest.mark.contract, pytest.mark.parametrize("driver", sorted(DRIVERS))]

PROTOCOLS = {Capability.LOCK: Lock, Capability.SIGN: Sign, Capability.SENSOR: Sensor}


@pytest.fixture
def running(driver, bridge_on, tmp_path):
    """The virtual station with a bridge that knows the one device of this driver."""

    @asynccontextmanager
    async def make():
        async with SimulatedStation(link_dir=tmp_path) as station:
            ((name, device),) = [
                (name, device) for name, device in station.device_configs().items() if device.driver == driver
            ]
            lines = {device.line: station.line_configs()[device.line]}
            async with bridge_on(lines, {name: device}) as told:
                yield station, name, device, told

    return make


async def test_a_device_comes_online_and_is_told_once(running):
    async with running() as (_, name, _, told):
        await told.until(lambda: told.health(name))
        assert told.health(name) == ["online"]
        (event,) = [event for event in told.events if isinstance(event, HealthChanged)]
        assert event.detail


async def test_a_device_whose_line_goes_is_offline_once_and_comes_back(running):
    async with running() as (station, name, device, told):
        await told.until(lambda: told.health(name) == ["online"])
        station.unplug(device.line)
        await told.until(lambda: told.health(name) == ["online", "offline"])
        station.plug_in(device.line)
        await told.until(lambda: told.health(name) == ["online", "offline", "online"])


async def test_a_driver_is_what_its_row_says(running, driver):
    async with running() as (_, name, _, told):
        device = told.bridge.devices[name]
        assert device.capabilities == DRIVERS[driver].capabilities
        assert device.driver.name == name
        for capability, protocol in PROTOCOLS.items():
            assert isinstance(device.driver, protocol) == (capability in device.capabilities)


def test_an_option_that_the_driver_does_not_know_is_an_error(driver):
    model = DRIVERS[driver].options
    with pytest.raises(ValidationError) as told:
        model.model_validate({"no_such_option": 1})
    assert ("no_such_option",) in [error["loc"] for error in told.value.errors()]


def test_every_option_says_what_it_is_or_has_but_named_values(driver):
    schema = DRIVERS[driver].options.model_json_schema()
    for name, option in schema["properties"].items():
        assert "description" in option or "enum" in option, name

"""What holds for every row of the DRIVERS table, on the simulated device of that driver."""

from contextlib import asynccontextmanager

import pytest
from pydantic import ValidationError

from firmware_bridge import capabilities
from firmware_bridge.drivers import DRIVERS, Capability
from firmware_bridge.simulators.table import SIMULATORS

pytestmark = [pytest.mark.contract, pytest.mark.parametrize("driver", sorted(DRIVERS))]

PROTOCOLS = {
    Capability.LOCK: capabilities.Lock,
    Capability.SIGN: capabilities.Sign,
    Capability.SENSOR: capabilities.Sensor,
    Capability.READER: capabilities.Reader,
    Capability.CONTROL: capabilities.Control,
    Capability.LOCATOR: capabilities.Locator,
    Capability.CAMERA: capabilities.Camera,
    Capability.IDENTIFY: capabilities.Identifiable,
    Capability.FIRMWARE: capabilities.Flashable,
}
NAME = "the_device"


@pytest.fixture
def running(request, driver, bridge_on, simulator_context):
    """The driver's simulated device, and a bridge that knows it alone."""
    if Capability.CAMERA in DRIVERS[driver].capabilities:
        request.getfixturevalue("only_camera_here")

    @asynccontextmanager
    async def make():
        async with (
            SIMULATORS[driver].make(simulator_context) as simulation,
            bridge_on(
                {simulation.device.line: simulation.line}, {NAME: simulation.device}, secrets=simulator_context.secrets
            ) as told,
        ):
            yield simulation, told

    return make


async def test_a_device_comes_online_and_is_told_once(running):
    async with running() as (_, told):
        await told.until(lambda: told.health(NAME))
        assert told.health(NAME) == ["online"]
        assert all(event.detail for event in told.events if isinstance(event, capabilities.HealthChanged))


async def test_a_device_whose_line_goes_is_offline_once_and_comes_back(running):
    async with running() as (simulation, told):
        await told.until(lambda: told.health(NAME) == ["online"])
        simulation.unplug()
        await told.until(lambda: told.health(NAME) == ["online", "offline"])
        simulation.plug_in()
        await told.until(lambda: told.health(NAME) == ["online", "offline", "online"])


async def test_a_driver_is_what_its_row_says(running, driver):
    async with running() as (_, told):
        device = told.bridge.devices[NAME]
        assert device.capabilities == DRIVERS[driver].capabilities
        assert device.driver.name == NAME
        assert told.bridge.stats(NAME) is not None
        for capability, protocol in PROTOCOLS.items():
            assert isinstance(device.driver, protocol) == (capability in device.capabilities), capability


async def test_a_simulation_says_what_can_be_done_to_it(simulator_context, driver):
    simulation = SIMULATORS[driver].make(simulator_context)
    with pytest.raises(ValueError, match="cannot be done here"):
        simulation.act(["no-such-action"])


def test_an_option_that_the_driver_does_not_know_is_an_error(driver):
    model = DRIVERS[driver].options
    with pytest.raises(ValidationError) as told:
        model.model_validate({"no_such_option": 1})
    assert ("no_such_option",) in [error["loc"] for error in told.value.errors()]


def test_every_option_says_what_it_is_or_has_but_named_values(driver):
    schema = DRIVERS[driver].options.model_json_schema()
    for name, option in schema.get("properties", {}).items():
        assert "description" in option or "enum" in option or "$ref" in option, name


def test_a_driver_lives_on_lines_that_there_are(driver):
    assert DRIVERS[driver].lines

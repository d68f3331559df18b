"""A search on paced lines: who is there is found, at its framing, with rows that the bridge takes."""

import random
import tomllib

import pytest

from firmware_bridge.bridge import check
from firmware_bridge.clock import SystemClock
from firmware_bridge.config import DeviceConfig, LineConfig
from firmware_bridge.discovery.finding import proposed_rows
from firmware_bridge.discovery.profile_fit import all_profiles, fitted
from firmware_bridge.discovery.questions import Framing
from firmware_bridge.discovery.scouts import LISTENERS, SCOUTS
from firmware_bridge.discovery.serial_search import Plan, search_line
from firmware_bridge.simulators.station import SimulatedStation, SimulationConfig
from firmware_bridge.simulators.table import SIMULATORS
from tests.harness.peers import ROOT

pytestmark = pytest.mark.contract

PROFILES = ROOT / "config" / "devices"
MODBUS = tuple(scout for scout in SCOUTS if scout.protocol == "modbus")


async def test_units_of_a_shared_line_are_found_and_fitted_with_a_profile():
    clock, rng = SystemClock(), random.Random(1)
    steps = []
    async with SimulatedStation(SimulationConfig(sensor_on_door_line=True, door_baud=9600)) as station:
        url = station.lines["door"]
        found = await search_line(
            url, Plan(MODBUS, ()), clock=clock, rng=rng, progress=lambda text, at, of: steps.append((text, at, of))
        )
        assert [finding.address for finding in found] == [1, 2]
        assert found[0].line == LineConfig(url=url, baud=9600)
        profiles = {
            name: profile for name, profile in all_profiles(PROFILES).items() if name in ("xy_md02", "generic_relay")
        }
        named = [await fitted(finding, profiles, PROFILES, clock=clock, rng=rng) for finding in found]
        assert station.releases == 0
    assert [(finding.driver, finding.profile) for finding in named] == [
        ("modbus_lock", "generic_relay"),
        ("modbus_sensor", "xy_md02"),
    ]
    rows = tomllib.loads(proposed_rows(named))
    lines = {name: LineConfig.model_validate(row) for name, row in rows["lines"].items()}
    devices = {name: DeviceConfig.model_validate(row) for name, row in rows["devices"].items()}
    assert check(lines, devices, PROFILES) == []
    positions = [at for _, at, _ in steps]
    assert positions == sorted(positions)
    assert steps[-1][1] == steps[-1][2]


async def test_the_baud_is_found_where_the_wire_has_another_one(tmp_path):
    async with SimulatedStation(SimulationConfig(air_baud=19200), link_dir=tmp_path) as station:
        station.demand_baud("air", 19200)
        found = await search_line(
            station.lines["air"],
            Plan(MODBUS, (), framings=(Framing(9600), Framing(4800), Framing(19200), Framing(38400))),
            clock=SystemClock(),
            rng=random.Random(1),
        )
    ((baud, unit),) = [(finding.line.baud, finding.address) for finding in found]
    assert (baud, unit) == (19200, 2)


@pytest.mark.parametrize(
    ("protocol", "driver", "words"),
    [
        ("alpha", "alpha_sign", "Alpha"),
        ("dlt645", "dlt645_meter", "DL/T 645 meter"),
        ("osdp", "osdp_reader", "OSDP reader at address"),
        ("at", "at_modem", "modem"),
        ("nmea", "nmea_gnss", "NMEA"),
    ],
)
async def test_a_device_of_each_protocol_is_found_and_named(protocol, driver, words, simulator_context):
    async with SIMULATORS[driver].make(simulator_context) as simulation:
        line = simulation.line
        framing = Framing(line.baud, line.data_bits, line.parity, line.stop_bits)
        plan = Plan(
            tuple(scout for scout in SCOUTS if scout.protocol == protocol),
            tuple(listener for listener in LISTENERS if listener.protocol == protocol),
            framings=(framing,),
        )
        (found,) = await search_line(line.url, plan, clock=SystemClock(), rng=random.Random(1))
    assert found.driver == driver
    assert words in found.title
    device = DeviceConfig(
        driver=driver, line="it", address=1 if found.address is None else found.address, options=dict(found.options)
    )
    assert check({"it": found.line}, {"found": device}, PROFILES) == []

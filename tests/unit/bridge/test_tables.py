"""Rows of the tables of drivers and of simulated devices name their code: what each names is there."""

import dataclasses
from importlib import import_module

import pytest

from firmware_bridge.drivers import DRIVERS
from firmware_bridge.drivers.base import DriverCode, DriverRow, Options
from firmware_bridge.named import named
from firmware_bridge.simulators.table import SIMULATORS


@pytest.mark.parametrize("driver", sorted(DRIVERS))
def test_every_driver_names_code_that_is_there(driver):
    row = DRIVERS[driver]
    code = row.load()
    assert isinstance(code, DriverCode)
    assert issubclass(code.options, Options)
    assert (row.options, row.factory, row.check) == (code.options, code.factory, code.check)
    assert code.factory.__module__ == f"firmware_bridge.drivers.{row.code.partition(':')[0]}"


def test_no_two_drivers_are_made_by_one_factory():
    assert len({row.factory for row in DRIVERS.values()}) == len(DRIVERS)


def test_every_driver_has_a_simulated_device_and_each_names_code_that_is_there():
    assert set(SIMULATORS) == set(DRIVERS)
    for row in SIMULATORS.values():
        assert callable(named("firmware_bridge.simulators", row.code))


@pytest.mark.parametrize(
    ("code", "error"),
    [("no_such_module:LOCK", ImportError), ("modbus:NO_SUCH_NAME", AttributeError), ("modbus:log", TypeError)],
)
def test_a_row_that_names_no_driver_says_so(code, error):
    row: DriverRow = dataclasses.replace(DRIVERS["modbus_lock"], code=code)
    with pytest.raises(error, match=code.partition(":")[2] if error is not ImportError else "no_such_module"):
        row.load()


def test_what_a_name_gives_is_the_very_thing():
    assert named("firmware_bridge.drivers", "modbus:LOCK") is import_module("firmware_bridge.drivers.modbus").LOCK

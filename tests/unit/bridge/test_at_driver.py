"""The modem's driver in virtual time: what it asks, what a modem may lack, silence and return."""

import asyncio
import contextlib

import pytest

from firmware_bridge.capabilities import HealthChanged, Quality, Reading
from firmware_bridge.drivers.at_modem import AtModem, ModemOptions


class Modem:
    """Answers on the memory port; `says` maps a command to its lines, or to a refusal."""

    def __init__(self, port):
        self.says = {
            "": ("OK",),
            "E0": ("OK",),
            "+CMEE=1": ("OK",),
            "+CSQ": ("+CSQ: 18,99", "OK"),
            "+CESQ": ("+CESQ: 99,99,255,255,20,43", "OK"),
            "+CREG?": ("+CREG: 0,1", "OK"),
            "+CEREG?": ("+CEREG: 0,1", "OK"),
            "+COPS?": ('+COPS: 0,0,"CHINA MOBILE",7', "OK"),
            "+CPIN?": ("+CPIN: READY", "OK"),
        }
        self.mute = False
        self.asked = []
        self._port = port
        port.on_write = self.hear

    def hear(self, data):
        command = data.decode().removeprefix("AT").strip()
        self.asked.append(command)
        if not self.mute:
            lines = self.says.get(command, ("ERROR",))
            self._port.answer(data + b"".join(f"\r\n{line}\r\n".encode() for line in lines), 0.02)


@pytest.fixture
def events():
    return []


@contextlib.asynccontextmanager
async def running(driver, port):
    port.open()
    task = asyncio.ensure_future(driver.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def newest(events):
    return {event.point: (event.value, event.quality) for event in events if isinstance(event, Reading)}


def health(events):
    return [event.health.value for event in events if isinstance(event, HealthChanged)]


@pytest.fixture
def modem(port):
    return Modem(port)


@pytest.fixture
def driver(make_context, events, modem):
    return AtModem(make_context(ModemOptions(period_s=10), emit=events.append))


def test_everything_is_read_and_the_modem_is_greeted_once(port, modem, driver, events, run_virtual):
    async def scenario():
        async with running(driver, port):
            await asyncio.sleep(25)
        assert newest(events) == {
            "signal": (-77, Quality.GOOD),
            "rsrp": (-98, Quality.GOOD),
            "rsrq": (-10.0, Quality.GOOD),
            "registration": ("home", Quality.GOOD),
            "network": ("lte", Quality.GOOD),
            "operator": ("CHINA MOBILE", Quality.GOOD),
            "sim": ("ready", Quality.GOOD),
        }
        assert modem.asked[:3] == ["", "E0", "+CMEE=1"]
        assert modem.asked.count("E0") == 1
        assert modem.asked.count("+CSQ") == 3

    run_virtual(scenario())


def test_what_an_older_modem_lacks_is_asked_once_and_left_out(port, modem, driver, events, run_virtual):
    del modem.says["+CESQ"], modem.says["+CEREG?"], modem.says["+CMEE=1"]

    async def scenario():
        async with running(driver, port):
            await asyncio.sleep(25)
        assert newest(events)["registration"] == ("home", Quality.GOOD)
        assert "rsrp" not in newest(events)
        assert modem.asked.count("+CESQ") == modem.asked.count("+CEREG?") == 1

    run_virtual(scenario())


def test_a_command_that_fails_for_want_of_a_sim_is_asked_again(port, modem, driver, events, run_virtual):
    async def scenario():
        async with running(driver, port):
            modem.says["+CEREG?"] = ("+CME ERROR: 10",)
            await asyncio.sleep(5)
            modem.says["+CEREG?"], modem.says["+CREG?"] = ("+CEREG: 0,5", "OK"), ("+CREG: 0,0", "OK")
            await asyncio.sleep(10)
        assert newest(events)["registration"] == ("roaming", Quality.GOOD)

    run_virtual(scenario())


def test_no_signal_no_sim_and_no_network_have_no_values(port, modem, driver, events, run_virtual):
    modem.says |= {
        "+CSQ": ("+CSQ: 99,99", "OK"),
        "+CREG?": ("+CREG: 0,0", "OK"),
        "+CEREG?": ("+CEREG: 0,4", "OK"),
        "+COPS?": ("+COPS: 0", "OK"),
        "+CPIN?": ("+CME ERROR: 10",),
    }

    async def scenario():
        async with running(driver, port):
            await asyncio.sleep(5)
        read = newest(events)
        assert read["signal"] == read["operator"] == read["network"] == (None, Quality.INVALID)
        assert (read["sim"], read["registration"]) == (("missing", Quality.GOOD), ("off", Quality.GOOD))
        assert health(events) == ["online"]

    run_virtual(scenario())


def test_unsolicited_lines_before_inside_and_between_are_tolerated(port, modem, driver, events, run_virtual):
    modem.says["+CREG?"] = ("RING", '+CREG: 5,"1A2B","0C3D4E5F",7', "+CREG: 2,1", "^RSSI:19", "OK")

    async def scenario():
        async with running(driver, port):
            await asyncio.sleep(5)
            port.hear(b"\r\nRING\r\n", 1005.0)  # while nothing is asked
            await asyncio.sleep(10)
        assert newest(events)["registration"] == ("home", Quality.GOOD)
        assert driver.unsolicited == 4

    run_virtual(scenario())


def test_a_silent_modem_is_missing_and_greeted_again_when_it_is_back(port, modem, driver, events, run_virtual):
    async def scenario():
        async with running(driver, port):
            await asyncio.sleep(1)
            modem.mute = True
            await asyncio.sleep(60)
            assert newest(events)["signal"] == (None, Quality.MISSING)
            modem.mute = False
            await asyncio.sleep(120)
            assert newest(events)["signal"] == (-77, Quality.GOOD)
        assert health(events) == ["online", "offline", "online"]
        assert modem.asked.count("E0") == 2

    run_virtual(scenario())

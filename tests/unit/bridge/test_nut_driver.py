"""A UPS in virtual time: the login once a connection, what a silent UPS is, mains told anew after a silence."""

import asyncio

import pytest

from firmware_bridge.capabilities import DeviceRefused, HealthChanged, InputChanged, Quality, Reading
from firmware_bridge.codecs import nut
from firmware_bridge.drivers.nut import NutOptions, NutUps, check_ups
from firmware_bridge.secrets import SecretDirectory

FULL = {
    "battery.charge": "100",
    "battery.runtime": "1800",
    "input.voltage": "229.5",
    "ups.load": "23",
    "ups.status": "OL",
}


class Server:
    """Answers on the memory port; `asked` is what it was asked besides lists."""

    def __init__(self, port):
        self._port = port
        self.variables = dict(FULL)
        self.asked = []
        self.refuses = {}
        self.silent = False
        port.on_write = self._hear

    def _hear(self, data):
        request = nut.decode_request(data.decode().rstrip())
        if not isinstance(request, nut.ListVariables):
            self.asked.append(request)
        if self.silent:
            return
        refused = self.refuses.get(type(request))
        reply = nut.Variables("main", self.variables) if isinstance(request, nut.ListVariables) else nut.Done()
        self._port.answer(nut.encode_reply(nut.Refused(refused) if refused else reply), 0.01)


@pytest.fixture
def server(port):
    return Server(port)


@pytest.fixture
def secrets(tmp_path):
    return SecretDirectory(tmp_path / "keys")


@pytest.fixture
def run_ups(run_virtual, port, make_context, secrets):
    """`run_ups(scenario, **options)`: the scenario with a UPS whose `run` runs, and what it told."""

    def run(scenario, **options):
        async def running():
            events = []
            wanted = NutOptions(ups="main", period_s=1, **options)
            ups = NutUps(make_context(wanted, name="ups", emit=events.append, secrets=secrets))
            port.open()
            task = asyncio.create_task(ups.run())
            await asyncio.sleep(0.5)
            await scenario(ups, events)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()

        run_virtual(running())

    return run


def values(events):
    """The newest reading of each point."""
    return {event.point: (event.value, event.quality) for event in events if isinstance(event, Reading)}


def inputs(events, name):
    return [event.active for event in events if isinstance(event, InputChanged) and event.input == name]


def health(events):
    return [event.health.value for event in events if isinstance(event, HealthChanged)]


def test_what_the_server_lists_is_read(run_ups, server):
    async def scenario(ups, events):
        assert values(events) == {
            "charge": (100.0, Quality.GOOD),
            "runtime": (1800.0, Quality.GOOD),
            "load": (23.0, Quality.GOOD),
            "voltage": (229.5, Quality.GOOD),
            "status": ("OL", Quality.GOOD),
        }
        assert [reading.unit for reading in await ups.read()] == ["%", "s", "%", "V", ""]
        assert server.asked == []

    run_ups(scenario)


def test_the_mains_that_go_and_come_are_told_once_each(run_ups, server):
    async def scenario(ups, events):
        for status in ("OB", "OB DISCHRG", "OB LB", "WAIT", "OB LB FSD", "OL CHRG", "OL"):
            server.variables["ups.status"] = status
            await asyncio.sleep(2)
        assert inputs(events, "on_battery") == [False, True, False]
        assert inputs(events, "low_battery") == [False, True, False]

    run_ups(scenario)


def test_a_variable_that_is_missing_or_no_number_has_no_value(run_ups, server):
    async def scenario(ups, events):
        del server.variables["battery.charge"]
        server.variables |= {"ups.load": "NaN", "input.voltage": "", "battery.runtime": "12 min", "ups.status": ""}
        await asyncio.sleep(1)
        assert set(values(events).values()) == {(None, Quality.INVALID)}

    run_ups(scenario)


@pytest.mark.parametrize("code", sorted(nut.STALE))
def test_a_ups_that_the_server_does_not_hear_is_missing_and_told_once(run_ups, server, caplog, code):
    server.refuses[nut.ListVariables] = code

    async def scenario(ups, events):
        await asyncio.sleep(10)
        assert set(values(events).values()) == {(None, Quality.MISSING)}
        assert inputs(events, "on_battery") == []
        assert health(events) == ["online"]
        server.refuses.clear()
        await asyncio.sleep(1)
        assert inputs(events, "on_battery") == [False]

    run_ups(scenario)
    assert caplog.text.count("hears nothing of it") == 1


def test_a_ups_that_the_server_does_not_know_has_refused(run_ups, server, caplog):
    server.refuses[nut.ListVariables] = "UNKNOWN-UPS"

    async def scenario(ups, events):
        await asyncio.sleep(3)
        assert set(values(events).values()) == {(None, Quality.INVALID)}
        with pytest.raises(DeviceRefused, match="'main' was refused: UNKNOWN-UPS"):
            await ups.read()

    run_ups(scenario)
    assert caplog.text.count("UNKNOWN-UPS") == 1


def test_after_a_silence_the_mains_are_told_anew(run_ups, server):
    async def scenario(ups, events):
        server.silent = True
        await asyncio.sleep(30)
        assert values(events)["charge"] == (None, Quality.MISSING)
        server.silent = False
        await asyncio.sleep(60)
        assert inputs(events, "on_battery") == [False, False]
        assert health(events) == ["online", "offline", "online"]

    run_ups(scenario)


LOGIN = [nut.Username("monuser"), nut.Password("secret word"), nut.Login("main")]


def test_a_login_is_made_once_a_connection(run_ups, server, secrets, port, caplog):
    secrets.write("ups.password", b"secret word\n")

    async def scenario(ups, events):
        await asyncio.sleep(5)
        assert server.asked == LOGIN
        port.lose("the other end closed it")
        port.open()
        await asyncio.sleep(5)
        assert server.asked == LOGIN * 2

    caplog.set_level("DEBUG")
    run_ups(scenario, username="monuser", password="ups.password")
    assert "secret word" not in caplog.text


def test_a_login_that_another_device_of_the_connection_made_is_enough(run_ups, server, secrets, caplog):
    secrets.write("ups.password", b"secret word")
    server.refuses = {
        nut.Username: "ALREADY-SET-USERNAME",
        nut.Password: "ALREADY-SET-PASSWORD",
        nut.Login: "ALREADY-LOGGED-IN",
    }

    async def scenario(ups, events):
        assert server.asked == LOGIN
        assert values(events)["charge"] == (100.0, Quality.GOOD)

    run_ups(scenario, username="monuser", password="ups.password")
    assert "refused the login" not in caplog.text


def test_a_login_that_is_refused_is_told_once_and_the_ups_is_read(run_ups, server, secrets, caplog):
    secrets.write("ups.password", b"secret word")
    server.refuses[nut.Login] = "ACCESS-DENIED"

    async def scenario(ups, events):
        await asyncio.sleep(5)
        assert server.asked == LOGIN
        assert values(events)["charge"] == (100.0, Quality.GOOD)

    run_ups(scenario, username="monuser", password="ups.password")
    assert caplog.text.count("refused the login (ACCESS-DENIED)") == 1


def test_a_secret_that_is_not_there_is_named_with_its_file(run_ups, server, caplog):
    async def scenario(ups, events):
        await asyncio.sleep(3)
        assert nut.Username("monuser") not in server.asked

    run_ups(scenario, username="monuser", password="ups.password")
    assert caplog.text.count("there is no secret 'ups.password'") == 1


@pytest.mark.parametrize(("given", "count"), [({}, 0), ({"username": "a"}, 1), ({"password": "b"}, 1)])
def test_a_user_has_a_password_and_a_password_a_user(given, count):
    assert len(check_ups(1, NutOptions(ups="main", **given), None)) == count

"""Home Assistant's MQTT discovery: what devices of the market publish, and what is refused.

Vectors: what the named projects publish, as their documentation or an issue of theirs shows it; values are facts of
the protocol, addresses are shortened.
"""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs.ha_discovery import COMPONENTS_MAX, ConfigTopic, Decoded, decode_config, parse_topic
from firmware_bridge.codecs.ha_entity import PAYLOAD_BYTES_MAX, Component, Config, Mode, is_available
from firmware_bridge.codecs.ha_template import NOTHING


def discovered(topic, payload, prefix="homeassistant"):
    parsed = parse_topic(topic, prefix)
    assert parsed is not None
    return decode_config(parsed, json.dumps(payload).encode())


def one(topic, payload):
    decoded = discovered(topic, payload)
    assert decoded.refused == ()
    (config,) = decoded.configs
    return config


def test_tasmota_says_its_relay_in_abbreviations():
    """SetOption19, as logged in github.com/arendst/Tasmota issue 9979."""
    config = one(
        "homeassistant/switch/C50D2A_RL_1/config",
        {
            "name": "Tasmota",
            "stat_t": "room/tele/main_switch/STATE",
            "avty_t": "room/tele/main_switch/LWT",
            "pl_avail": "Online",
            "pl_not_avail": "Offline",
            "cmd_t": "room/cmnd/main_switch/POWER",
            "val_tpl": "{{value_json.POWER}}",
            "pl_off": "OFF",
            "pl_on": "ON",
            "uniq_id": "C50D2A_RL_1",
            "dev": {"ids": ["C50D2A"]},
        },
    )
    assert config.component is Component.SWITCH
    assert config.node == {"C50D2A_RL_1", "C50D2A"}
    assert config.decode_state(b'{"Time": "2020-11-25T21:07:22", "POWER": "ON", "Wifi": {"RSSI": 58}}') is True
    assert config.decode_state(b'{"Switch1": {"Action": "TOGGLE"}}') is NOTHING
    assert (config.command_topic, config.encode_command(False)) == ("room/cmnd/main_switch/POWER", b"OFF")
    (there,) = config.availability
    assert [there.decode(payload) for payload in (b"Online", b"Offline", b"Maybe")] == [True, False, None]


def test_shelly_of_the_first_generation_names_its_connection_and_a_base_topic():
    """As logged in github.com/bieniu/ha-shellies-discovery issue 298."""
    config = one(
        "homeassistant/switch/shelly1-40F52000CC66-relay-0/config",
        {
            "name": "Shelly 1 40F52000CC66 Relay 0",
            "cmd_t": "~relay/0/command",
            "stat_t": "~relay/0",
            "pl_off": "off",
            "pl_on": "on",
            "avty_t": "~online",
            "pl_avail": "true",
            "pl_not_avail": "false",
            "uniq_id": "shelly1-40f52000cc66-relay-0",
            "qos": 0,
            "dev": {"cns": [["mac", "40:f5:20:00:cc:66"]], "mdl": "Shelly 1", "mf": "Allterco Robotics"},
            "~": "shellies/shelly1-40F52000CC66/",
        },
    )
    assert "40:f5:20:00:cc:66" in config.node
    assert config.state_topic == "shellies/shelly1-40F52000CC66/relay/0"
    assert config.command_topic == "shellies/shelly1-40F52000CC66/relay/0/command"
    assert config.availability[0].topic == "shellies/shelly1-40F52000CC66/online"
    assert (config.decode_state(b"on"), config.decode_state(b"off")) == (True, False)


def test_shelly_of_the_second_generation_takes_json_and_is_there_by_a_list():
    """As logged in github.com/bieniu/ha-shellies-discovery-gen2 issue 104."""
    on = '{"id":1,"src":"shellyplus1-7c87ce","method":"Switch.Set","params":{"id":0,"on":true}}'
    config = one(
        "homeassistant/switch/shellyplus1-7c87ce-0/config",
        {
            "cmd_t": "~rpc",
            "pl_off": on.replace("true", "false"),
            "pl_on": on,
            "stat_t": "~status/switch:0",
            "val_tpl": "{%if value_json.output%}on{%else%}off{%endif%}",
            "stat_off": "off",
            "stat_on": "on",
            "avty": [{"t": "~online", "pl_avail": "true", "pl_not_avail": "false"}],
            "dev": {"cns": [["mac", "7c:87:ce:00:00:00"]]},
            "~": "shellyplus1-7c87ce/",
        },
    )
    assert config.decode_state(b'{"id": 0, "source": "MQTT", "output": true, "temperature": {"tC": 51.0}}') is True
    assert config.encode_command(True) == on.encode()
    assert config.availability[0].topic == "shellyplus1-7c87ce/online"


# Zigbee2MQTT: a lock exposes `state` as LOCK or UNLOCK (zigbee2mqtt.io, page of a lock, "Exposes"), a contact `contact`
# as true while closed; both topics of availability must say online (zigbee2mqtt.io, "Device availability").
Z2M_SHARED = {
    "availability": [
        {"topic": "zigbee2mqtt/bridge/state", "value_template": "{{ value_json.state }}"},
        {"topic": "zigbee2mqtt/Front Door/availability", "value_template": "{{ value_json.state }}"},
    ],
    "availability_mode": "all",
    "device": {"identifiers": ["zigbee2mqtt_0x000d6f00110c6b8e"], "name": "Front Door"},
    "state_topic": "zigbee2mqtt/Front Door",
}


def test_zigbee2mqtt_says_a_lock_in_words_of_its_own():
    config = one(
        "homeassistant/lock/0x000d6f00110c6b8e/lock/config",
        {
            **Z2M_SHARED,
            "command_topic": "zigbee2mqtt/Front Door/set",
            "payload_lock": "LOCK",
            "payload_unlock": "UNLOCK",
            "state_locked": "LOCK",
            "state_unlocked": "UNLOCK",
            "value_template": "{{ value_json.state }}",
        },
    )
    assert config.node == {"0x000d6f00110c6b8e", "zigbee2mqtt_0x000d6f00110c6b8e"}
    said = b'{"action": null, "battery": 36, "linkquality": 116, "lock_state": "unlocked", "state": "UNLOCK"}'
    assert config.decode_state(said) == "unlocked"
    assert config.encode_command("unlocked") == b"UNLOCK"
    assert config.mode is Mode.ALL
    bridge, device = config.availability
    assert is_available(config, {bridge: True}, True) is False
    assert is_available(config, {bridge: True, device: device.decode(b'{"state": "online"}')}, True) is True


def test_zigbee2mqtt_says_a_contact_by_the_booleans_of_json():
    config = one(
        "homeassistant/binary_sensor/0x00158d0001/contact/config",
        {**Z2M_SHARED, "payload_on": False, "payload_off": True, "value_template": "{{ value_json.contact }}"},
    )
    assert config.decode_state(b'{"contact": false}') is True
    assert config.decode_state(b'{"contact": true, "battery": 100}') is False
    assert config.decode_state(b'{"battery": 100}') is NOTHING


def test_one_message_may_describe_a_whole_device():
    """The example of home-assistant.io/integrations/mqtt, "Device discovery payload", and what was taken away."""
    decoded = discovered(
        "homeassistant/device/0AFFD2/config",
        {
            "dev": {"ids": "ea334450945afc", "name": "Kitchen", "mf": "Bla electronics"},
            "o": {"name": "bla2mqtt"},
            "cmps": {
                "some_unique_component_id1": {
                    "p": "sensor",
                    "device_class": "temperature",
                    "unit_of_measurement": "°C",
                    "value_template": "{{ value_json.temperature}}",
                    "unique_id": "temp01ae_t",
                },
                "some_unique_id2": {"p": "sensor"},
                "bla1": {"p": "device_automation", "automation_type": "trigger"},
                "own": {"p": "binary_sensor", "state_topic": "elsewhere", "unique_id": "x"},
            },
            "state_topic": "sensorBedroom/state",
            "qos": 2,
        },
    )
    temperature, own = decoded.configs
    assert temperature.node == {"0AFFD2", "ea334450945afc"}
    assert (temperature.object_id, temperature.unit) == ("some_unique_component_id1", "°C")
    assert temperature.decode_state(b'{"temperature": 21.7, "humidity": 40}') == 21.7
    assert (own.object_id, own.state_topic) == ("own", "elsewhere")


LOCK = {"command_topic": "c", "state_topic": "s"}


@pytest.mark.parametrize("word", ["LOCKED", "UNLOCKED", "LOCKING", "UNLOCKING", "JAMMED"])
def test_a_lock_has_the_default_words_of_home_assistant(word):
    config = one("homeassistant/lock/door/config", LOCK)
    assert config.decode_state(word.encode()) == word.lower()
    assert (config.encode_command("locked"), config.encode_command("unlocked")) == (b"LOCK", b"UNLOCK")


def test_a_word_that_a_lock_does_not_have_is_an_error_and_none_is_no_value():
    config = one("homeassistant/lock/door/config", LOCK)
    with pytest.raises(FrameError, match="door: 'AJAR' is none of LOCKED"):
        config.decode_state(b"AJAR")
    assert config.decode_state(b"None") is None
    assert config.decode_state(b"") is NOTHING


def test_a_command_that_is_to_be_retained_is_described_and_nothing_more():
    assert one("homeassistant/lock/door/config", {**LOCK, "retain": True, "optimistic": True}).assumed
    assert one("homeassistant/lock/door/config", {"command_topic": "c"}).assumed


@pytest.mark.parametrize(
    ("component", "changes", "why"),
    [
        ("lock", {"code_format": "^\\d{4}$"}, "wants a code"),
        ("lock", {"state_locked": "X", "state_unlocked": "X"}, "same word"),
        ("lock", {"payload_lock": "X", "payload_unlock": "X"}, "same word"),
        ("lock", {"value_template": "{{ value_json.state | lower }}"}, "beyond the subset"),
        ("lock", {"command_template": "{{ code }}"}, "beyond the subset"),
        ("lock", {"command_topic": None}, "has no command_topic"),
        ("lock", {"state_topic": "door/#"}, "is no topic"),
        ("lock", {"state_topic": 7}, "is no text"),
        ("lock", {"encoding": ""}, "encoding"),
        ("lock", {"availability": [{"payload_available": "x"}]}, "without a topic"),
        ("lock", {"availability": "online"}, "no list"),
        ("lock", {"availability": [], "availability_topic": "t"}, "twice"),
        ("lock", {"availability_topic": "t", "payload_available": "1", "payload_not_available": 1}, "here and gone"),
        ("lock", {"availability_mode": "most"}, "availability_mode"),
        ("switch", {"payload_on": "X", "payload_off": "X"}, "on and off"),
        ("switch", {"payload_on": {}}, "is no payload"),
        ("sensor", {"state_topic": None}, "has no state_topic"),
        ("sensor", {"expire_after": -1}, "is no time"),
        ("select", {}, "has no options"),
        ("number", {"min": "low"}, "is no number"),
        ("text", {"mode": "password"}, "is a password"),
        ("text", {"command_template": '{"t": "{{ value }}"}'}, "could break it"),
    ],
)
def test_what_is_not_understood_for_certain_is_refused_with_its_reason(component, changes, why):
    payload = {key: value for key, value in {**LOCK, **changes}.items() if value is not None}
    decoded = discovered(f"homeassistant/{component}/door/config", payload)
    assert decoded.configs == ()
    (text,) = decoded.refused
    assert text.startswith(f"{component} door: ")
    assert why in text


@pytest.mark.parametrize(
    "payload",
    [b"no json", b"[]", b"7", b"\xff\xfe", b'{"a": ' * 10000, b'"' + b"x" * PAYLOAD_BYTES_MAX + b'"'],
)
def test_a_message_that_is_no_discovery_is_an_error(payload):
    with pytest.raises(FrameError):
        decode_config(ConfigTopic("lock", "", "door"), payload)


def test_a_device_with_too_many_components_or_none_is_an_error():
    for components in (None, [], {f"c{n}": {"p": "lock"} for n in range(COMPONENTS_MAX + 1)}):
        with pytest.raises(FrameError, match="components"):
            discovered("homeassistant/device/it/config", {"cmps": components})


def test_an_empty_payload_takes_an_entity_away():
    assert decode_config(ConfigTopic("lock", "", "door"), b"") == Decoded()


@pytest.mark.parametrize(
    ("topic", "parsed"),
    [
        ("homeassistant/lock/door/config", ConfigTopic("lock", "", "door")),
        ("homeassistant/lock/node/door/config", ConfigTopic("lock", "node", "door")),
        ("homeassistant/lock/door", None),
        ("homeassistant/lock/node/door/state", None),
        ("homeassistant/lock/a/b/c/config", None),
        ("homeassistant/lock/Front Door/config", None),
        ("other/lock/door/config", None),
        ("homeassistantx/lock/door/config", None),
    ],
)
def test_a_discovery_topic_is_told_from_every_other(topic, parsed):
    assert parse_topic(topic, "homeassistant") == parsed


def test_numbers_are_numbers_and_words_are_words():
    measured = one("homeassistant/sensor/t/config", {"stat_t": "t", "unit_of_meas": "°C"})
    assert measured.decode_state(b"-12.5") == -12.5
    assert measured.decode_state(b"unavailable") is None
    with pytest.raises(FrameError, match="'warm' is no number"):
        measured.decode_state(b"warm")
    with pytest.raises(FrameError, match="no number"):
        measured.decode_state(b"inf")
    word = one("homeassistant/sensor/w/config", {"stat_t": "t"})
    assert (word.decode_state(b"idle"), word.decode_state(b"7")) == ("idle", 7.0)
    number = one("homeassistant/number/n/config", {**LOCK, "min": 5, "max": 30, "step": 0.5, "payload_reset": "x"})
    assert (number.min, number.max, number.step) == (5.0, 30.0, 0.5)
    assert (number.encode_command(21.0), number.encode_command(21.5)) == (b"21", b"21.5")
    assert number.decode_state(b"x") is None
    select = one("homeassistant/select/m/config", {**LOCK, "ops": ["eco", "comfort"], "cmd_tpl": '{"m":"{{ value }}"}'})
    assert select.encode_command("eco") == b'{"m":"eco"}'
    with pytest.raises(FrameError, match="none of its options"):
        select.decode_state(b"tropical")
    with pytest.raises(FrameError, match="256 characters"):
        one("homeassistant/text/t/config", LOCK).decode_state(b"x" * 256)


def test_availability_has_three_modes():
    def config(mode):
        there = [{"topic": "a"}, {"topic": "b"}]
        return one("homeassistant/lock/door/config", {**LOCK, "availability": there, "availability_mode": mode})

    for mode, expected in (("all", False), ("any", True), ("latest", False)):
        described = config(mode)
        a, b = described.availability
        assert is_available(described, {a: True, b: False}, False) is expected
        assert is_available(described, {}, None) is False
    assert is_available(one("homeassistant/lock/door/config", LOCK), {}, None) is True


@given(st.text(min_size=1, max_size=8), st.text(min_size=1, max_size=8), st.booleans())
def test_what_a_switch_is_told_it_says_again(on, off, value):
    payload = {**LOCK, "payload_on": on, "payload_off": off}
    decoded = discovered("homeassistant/switch/it/config", payload)
    if on == off:
        assert decoded.refused
        return
    (config,) = decoded.configs
    said = config.encode_command(value)
    if said not in (b"None",):
        assert config.decode_state(said) is value


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=12),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=12), children, max_size=4),
    max_leaves=20,
)
KEYS = st.sampled_from(
    ["stat_t", "cmd_t", "val_tpl", "cmd_tpl", "avty", "avty_t", "avty_mode", "pl_on", "pl_off", "stat_on", "ops", "min",
     "dev", "cmps", "~", "exp_aft", "opt", "e", "mode", "cod_form", "step", "state_locked"]
)  # fmt: skip


@settings(max_examples=40)
@given(
    st.sampled_from(["lock", "switch", "sensor", "binary_sensor", "number", "select", "text", "device", "light"]),
    st.dictionaries(KEYS, JSON, max_size=8),
    st.binary(max_size=20),
)
def test_any_json_is_described_or_refused(component, payload, state):
    try:
        decoded = discovered(f"homeassistant/{component}/it/config", payload)
    except FrameError:
        return
    for config in decoded.configs:
        assert isinstance(config, Config)
        try:
            config.decode_state(state)
        except FrameError:
            continue

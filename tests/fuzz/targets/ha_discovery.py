"""MQTT discovery: what a device says that it has, then one state and one availability of it."""

import json

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs.ha_discovery import ABBREVIATIONS, ConfigTopic, decode_config, parse_topic
from firmware_bridge.codecs.ha_entity import TEXT_CHARS_MAX, is_available
from firmware_bridge.codecs.ha_template import Nothing, parse, parse_command

SEPARATOR = b"\0"
_LOCK = {"cmd_t": "~/set", "stat_t": "~", "~": "it", "avty_t": "~/there", "val_tpl": "{{ value_json.state }}"}
_DEVICE = {"dev": {"ids": ["it"]}, "cmps": {"a": {"p": "switch", "cmd_t": "c", "stat_t": "s"}, "b": {"p": "sensor"}}}
SEEDS = [
    SEPARATOR.join([b"homeassistant/lock/it/config", json.dumps(_LOCK).encode(), b'{"state": "LOCKED"}']),
    SEPARATOR.join([b"homeassistant/device/it/config", json.dumps(_DEVICE).encode(), b"ON"]),
    SEPARATOR.join([b"homeassistant/number/n/it/config", b'{"cmd_t":"c","stat_t":"s","min":5,"max":30}', b"21.5"]),
    SEPARATOR.join([b"{% if value_json.a['b'] == 1 %}x{% else %}y{% endif %}", b'{"a":{"b":1}}', b""]),
    bytes([0x80, 1, 18, 0, 4, 3]),
    bytes([0x85, 2, 40, 16]),
    SEPARATOR.join([b"{{ value_json.t | float | round(1) }}", b'{"t":"21.44"}', b""]),
]
# What a mutation would take long to write by itself: two bytes choose a key and a value.
COMPONENTS = ("lock", "switch", "sensor", "binary_sensor", "number", "select", "text")
STATES = (b"ON", b"LOCKED", b"21.5", b'{"a": 1}', b"None", b"\xff", b"1", b"a/b")
KEYS = (*sorted(ABBREVIATIONS), "~", "min", "max", "step", "mode")
VALUES = (
    *("ON", "OFF", "LOCKED", "None", "a/b", "~/x", "x~", "#", "", "%", "all", "any", "latest", "password", "utf-8"),
    *("{{ value }}", "{{ value_json.a }}", "{% if value == 'ON' %}1{% else %}2{% endif %}", '{"s": "{{ value }}"}'),
    *(True, False, None, 0, -1, 30, 1e300, [], {}, ["ON", "OFF"], [{"t": "a/b", "pl_avail": "ON"}], [["mac", "x"]]),
)


def target(data: bytes) -> None:
    if data[:1] > b"\x7f":
        _shaped(data)
        return
    first, _, rest = data.partition(SEPARATOR)
    payload, _, state = rest.partition(SEPARATOR)
    text = first.decode(errors="replace")
    _template(text, payload.decode(errors="replace"))
    _described(parse_topic(text, "homeassistant") or ConfigTopic("lock", "", "it"), payload, state)


def _shaped(data: bytes) -> None:
    chosen = zip(data[2::2], data[3::2], strict=False)
    config = {"cmd_t": "c", "stat_t": "s"} | {
        KEYS[key % len(KEYS)]: VALUES[value % len(VALUES)] for key, value in chosen
    }
    component = COMPONENTS[data[0] % len(COMPONENTS)]
    state = STATES[data[1] % len(STATES)] if len(data) > 1 else b""
    _described(ConfigTopic(component, "", "it"), json.dumps(config).encode(), state)


def _described(topic: ConfigTopic, payload: bytes, state: bytes) -> None:
    try:
        decoded = decode_config(topic, payload)
    except FrameError:
        return
    for config in decoded.configs:
        assert config.availability or is_available(config, {}, None)
        try:
            value = config.decode_state(state)
        except FrameError:
            continue
        if isinstance(value, Nothing) or value is None:
            continue
        if isinstance(value, str):
            assert len(value) <= TEXT_CHARS_MAX
        if value in config.commands:
            assert config.encode_command(value)
        for one in config.availability:
            try:
                assert one.decode(state) in (True, False, None)
            except FrameError:
                continue


def _template(source: str, payload: str) -> None:
    for read in (lambda: parse(source).render(payload), lambda: parse_command(source)("x")):
        try:
            said = read()
        except FrameError:
            continue
        assert isinstance(said, str | Nothing)

"""Home Assistant's MQTT discovery: what a device says that it has, and the words of its states and commands. PURE.

```
 <prefix>/<component>/[<node_id>/]<object_id>/config   one entity: {"stat_t": "~/state", "cmd_t": "~/set", "~": "it"}
 <prefix>/device/[<node_id>/]<object_id>/config        a device: {"dev": {...}, "cmps": {"<id>": {"p": "lock", ...}}}
 an empty payload                                      is there no more
```
https://www.home-assistant.io/integrations/mqtt/, sections "Discovery messages" and "Using availability topics".
Names may be abbreviated. What cannot be understood for certain is refused: a template beyond `ha_template`, a lock
that wants a code, a raw encoding.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs.ha_entity import (
    PAYLOAD_BYTES_MAX,
    TEXT_CHARS_MAX,
    Availability,
    Component,
    Config,
    Mode,
    Value,
    decode_text,
)
from firmware_bridge.codecs.ha_template import PAYLOAD, Template, parse, parse_command, read_json, text_of

TOPIC_CHARS_MAX = 512
COMPONENTS_MAX = 256
# Availability topics of one entity: a device and the bridge before it make two.
AVAILABILITIES_MAX = 8

ABBREVIATIONS = {
    "avty": "availability",
    "avty_mode": "availability_mode",
    "avty_t": "availability_topic",
    "avty_tpl": "availability_template",
    "cmd_t": "command_topic",
    "cmd_tpl": "command_template",
    "cmps": "components",
    "cns": "connections",
    "cod_form": "code_format",
    "dev": "device",
    "dev_cla": "device_class",
    "e": "encoding",
    "exp_aft": "expire_after",
    "ids": "identifiers",
    "off_dly": "off_delay",
    "ops": "options",
    "opt": "optimistic",
    "p": "platform",
    "pl_avail": "payload_available",
    "pl_lock": "payload_lock",
    "pl_not_avail": "payload_not_available",
    "pl_off": "payload_off",
    "pl_on": "payload_on",
    "pl_rst": "payload_reset",
    "pl_unlk": "payload_unlock",
    "stat_cla": "state_class",
    "stat_jam": "state_jammed",
    "stat_locked": "state_locked",
    "stat_locking": "state_locking",
    "stat_off": "state_off",
    "stat_on": "state_on",
    "stat_t": "state_topic",
    "stat_unlocked": "state_unlocked",
    "stat_unlocking": "state_unlocking",
    "t": "topic",
    "unit_of_meas": "unit_of_measurement",
    "val_tpl": "value_template",
}
# What a device-based discovery says once for all its components.
SHARED = (
    "availability",
    "availability_mode",
    "availability_template",
    "availability_topic",
    "command_topic",
    "encoding",
    "payload_available",
    "payload_not_available",
    "state_topic",
    "~",
)
LOCK_WORDS = {
    "LOCKED": "locked",
    "UNLOCKED": "unlocked",
    "LOCKING": "locking",
    "UNLOCKING": "unlocking",
    "JAMMED": "jammed",
}

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True)
class ConfigTopic:
    """The topic of a discovery message; `component` is "device" for a device-based one."""

    component: str
    node_id: str
    object_id: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one discovery message said: the names of its device, entities, and what of it was refused, in words."""

    node: frozenset[str] = frozenset()
    configs: tuple[Config, ...] = ()
    refused: tuple[str, ...] = ()


def parse_topic(topic: str, prefix: str) -> ConfigTopic | None:
    """None for what is no discovery topic under that prefix."""
    if not topic.startswith(f"{prefix}/"):
        return None
    parts = topic[len(prefix) + 1 :].split("/")
    if len(parts) not in (3, 4) or parts[-1] != "config" or not all(_ID.fullmatch(part) for part in parts):
        return None
    return ConfigTopic(parts[0], parts[1] if len(parts) == 4 else "", parts[-2])


def decode_config(topic: ConfigTopic, payload: bytes) -> Decoded:
    """What a discovery message says; nothing for an empty one. Raises FrameError for what is none."""
    if not payload:
        return Decoded()
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise FrameError(f"discovery of {len(payload)} bytes; at most {PAYLOAD_BYTES_MAX} are read")
    raw = read_json(decode_text(payload))
    if not isinstance(raw, dict):
        raise FrameError("discovery is no JSON object")
    config = _expand(raw)
    node = _node(topic, config)
    if topic.component != "device":
        return _decode_one(topic.component, topic.object_id, node, config)
    components = config.get("components")
    if not isinstance(components, dict):
        raise FrameError("discovery of a device without components")
    if len(components) > COMPONENTS_MAX:
        raise FrameError(f"discovery of {len(components)} components; at most {COMPONENTS_MAX} are read")
    shared = {key: config[key] for key in SHARED if key in config}
    found: list[Config] = []
    refused: list[str] = []
    for name, part in components.items():
        if not isinstance(part, dict):
            refused.append(f"{name[:60]}: is no JSON object")
            continue
        own = _expand(part)
        if set(own) <= {"platform"}:
            continue  # taken away
        one = _decode_one(str(own.get("platform")), name[:TEXT_CHARS_MAX], node, shared | own)
        found += one.configs
        refused += one.refused
    return Decoded(node, tuple(found), tuple(refused))


def _decode_one(platform: str, object_id: str, node: frozenset[str], config: Mapping[str, Any]) -> Decoded:
    """Components that no device of ours uses are left out without a word."""
    try:
        component = Component(platform)
    except ValueError:
        return Decoded(node)
    try:
        return Decoded(node, (_entity(component, object_id, node, config),))
    except FrameError as error:
        return Decoded(node, refused=(f"{platform} {object_id}: {error}",))


def _entity(component: Component, object_id: str, node: frozenset[str], config: Mapping[str, Any]) -> Config:
    if config.get("encoding", "utf-8") not in ("utf-8", "utf8"):
        raise FrameError(f"encoding {str(config['encoding'])[:20]!r} is not spoken")
    base = config.get("~")
    state_topic = _topic(config.get("state_topic"), base)
    command_topic = _topic(config.get("command_topic"), base)
    commanded = component not in (Component.SENSOR, Component.BINARY_SENSOR)
    if commanded and command_topic is None:
        raise FrameError("has no command_topic")
    if not commanded and state_topic is None:
        raise FrameError("has no state_topic")
    wrapping = config.get("command_template")
    if wrapping is not None and component is Component.TEXT and str(wrapping).strip() != "{{ value }}":
        raise FrameError("a text inside a command template could break it")
    states, commands = _words(component, config)
    low, high = _figure(config, "min", 1.0), _figure(config, "max", 100.0)
    return Config(
        component=component,
        object_id=object_id,
        node=node,
        state_topic=state_topic,
        command_topic=command_topic if commanded else None,
        assumed=config.get("optimistic") is True or state_topic is None,
        template=_template(config.get("value_template")),
        states=states,
        commands=commands,
        wrap=None if wrapping is None else parse_command(_str(wrapping, "command_template")),
        reset=_word(config, "payload_reset", "None"),
        numeric=bool(config.get("unit_of_measurement") or config.get("state_class")),
        unit=_str(config.get("unit_of_measurement") or "", "unit_of_measurement"),
        min=low,
        max=high,
        step=_figure(config, "step", 1.0),
        options=_options(component, config),
        expire_after_s=_seconds(config, "expire_after"),
        off_delay_s=_seconds(config, "off_delay"),
        availability=_availability(config, base),
        mode=_mode(config),
    )


def _words(component: Component, config: Mapping[str, Any]) -> tuple[dict[str, Value], dict[Value, str]]:
    """Payload -> value of its states, value -> payload of its commands."""
    match component:
        case Component.LOCK:
            if config.get("code_format") is not None:
                raise FrameError("wants a code with every command, and the station has none")
            said = {_word(config, f"state_{word}", default): word for default, word in LOCK_WORDS.items()}
            asked: dict[Value, str] = {
                "locked": _word(config, "payload_lock", "LOCK"),
                "unlocked": _word(config, "payload_unlock", "UNLOCK"),
            }
            if len(said) < len(LOCK_WORDS) or asked["locked"] == asked["unlocked"]:
                raise FrameError("says the same word for two states")
            return dict(said), dict(asked)
        case Component.SWITCH | Component.BINARY_SENSOR:
            on, off = _word(config, "payload_on", "ON"), _word(config, "payload_off", "OFF")
            told: dict[str, Value] = {on: True, off: False}
            if component is Component.SWITCH:
                told = {_word(config, "state_on", on): True, _word(config, "state_off", off): False}
            if on == off or len(told) < 2:
                raise FrameError("says the same word for on and off")
            return told, {True: on, False: off}
        case _:
            if component is Component.TEXT and config.get("mode") == "password":
                raise FrameError("is a password, which is not read")
            return {}, {}


def _availability(config: Mapping[str, Any], base: object) -> tuple[Availability, ...]:
    listed = config.get("availability")
    single = config.get("availability_topic")
    if listed is not None and single is not None:
        raise FrameError("names availability twice")
    if single is not None:
        listed = [{**config, "topic": single, "value_template": config.get("availability_template")}]
    if listed is None:
        return ()
    if isinstance(listed, dict):
        listed = [listed]
    if (
        not isinstance(listed, list)
        or not all(isinstance(item, dict) for item in listed)
        or len(listed) > AVAILABILITIES_MAX
    ):
        raise FrameError("availability is no list of topics")
    found = []
    for item in map(_expand, listed):
        topic = _topic(item.get("topic"), base)
        if topic is None:
            raise FrameError("availability without a topic")
        available, gone = _word(item, "payload_available", "online"), _word(item, "payload_not_available", "offline")
        if available == gone:
            raise FrameError("says the same word for here and gone")
        found.append(Availability(topic, available, gone, _template(item.get("value_template"))))
    return tuple(found)


def _mode(config: Mapping[str, Any]) -> Mode:
    try:
        return Mode(config.get("availability_mode", Mode.LATEST))
    except ValueError:
        raise FrameError("availability_mode is none of all, any, latest") from None


def _node(topic: ConfigTopic, config: Mapping[str, Any]) -> frozenset[str]:
    """Every name that the device goes by: its topic's, its identifiers, its connections."""
    names = {topic.node_id or topic.object_id}
    device = config.get("device")
    if isinstance(device, dict):
        told = _expand(device)
        ids = told.get("identifiers", [])
        names |= {text_of(one) for one in (ids if isinstance(ids, list) else [ids])}
        connections = told.get("connections", [])
        if isinstance(connections, list):
            names |= {text_of(one[1]) for one in connections if isinstance(one, list) and len(one) == 2}
    return frozenset(name for name in names if 0 < len(name) <= TEXT_CHARS_MAX)


def _options(component: Component, config: Mapping[str, Any]) -> tuple[str, ...]:
    if component is not Component.SELECT:
        return ()
    options = config.get("options")
    if not isinstance(options, list) or not options or len(options) > COMPONENTS_MAX:
        raise FrameError("has no options")
    return tuple(text_of(option)[:TEXT_CHARS_MAX] for option in options)


def _expand(config: Mapping[str, Any]) -> dict[str, Any]:
    return {ABBREVIATIONS.get(key, key): value for key, value in config.items()}


def _topic(value: object, base: object) -> str | None:
    if value is None:
        return None
    topic = _str(value, "a topic")
    if isinstance(base, str) and topic.startswith("~"):
        topic = base + topic[1:]
    elif isinstance(base, str) and topic.endswith("~"):
        topic = topic[:-1] + base
    if not 0 < len(topic) <= TOPIC_CHARS_MAX or any(mark in topic for mark in "+#\0"):
        raise FrameError(f"{topic[:60]!r} is no topic")
    return topic


def _template(value: object) -> Template:
    return PAYLOAD if value is None else parse(_str(value, "a template"))


def _word(config: Mapping[str, Any], key: str, default: str) -> str:
    """A payload, which JSON may give as a boolean or a number: it is compared as a template writes it."""
    value = config.get(key)
    if value is None:
        return default
    if not isinstance(value, str | bool | int | float) or not 0 < len(text_of(value)) <= TOPIC_CHARS_MAX:
        raise FrameError(f"{key} is no payload")
    return text_of(value)


def _str(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise FrameError(f"{what} is no text")
    return value


def _figure(config: Mapping[str, Any], key: str, default: float) -> float:
    value = config.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        raise FrameError(f"{key} is no number")
    return float(value)


def _seconds(config: Mapping[str, Any], key: str) -> float | None:
    if config.get(key) in (None, 0):
        return None
    seconds = _figure(config, key, 0.0)
    if seconds < 0:
        raise FrameError(f"{key} is no time")
    return seconds

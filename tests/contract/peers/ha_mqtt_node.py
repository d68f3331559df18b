"""A door and a room by ha-mqtt-discoverable, behind a broker: PORT USER PASSWORD. Commands on stdin, an answer each.

jam on|off               the bolt is stuck           say ENTITY VALUE       an entity says something by itself
available ENTITY on|off  its availability            raw TOPIC PAYLOAD      anything at all
kept                     topics below hmd/ whose messages the broker keeps
heard                    commands that came, so far  silent on|off          commands are heard and not obeyed
"""

import sys
import threading

import paho.mqtt.client as mqtt
from ha_mqtt_discoverable import DeviceInfo, Settings
from ha_mqtt_discoverable.sensors import (
    BinarySensor,
    BinarySensorInfo,
    Lock,
    LockInfo,
    Number,
    NumberInfo,
    Select,
    SelectInfo,
    Sensor,
    SensorInfo,
    Switch,
    SwitchInfo,
    Text,
    TextInfo,
)
from paho.mqtt.enums import CallbackAPIVersion

WAIT_S = 20
PORT, USER, PASSWORD = int(sys.argv[1]), sys.argv[2], sys.argv[3]


def connected(name, on_message=None):
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name)
    client.username_pw_set(USER, PASSWORD)
    up = threading.Event()
    client.on_connect = lambda *_: up.set()
    client.on_message = on_message
    client.connect("127.0.0.1", PORT)
    client.loop_start()
    assert up.wait(WAIT_S)
    return client


client = connected("peer")
broker = Settings.MQTT(client=client)
device = DeviceInfo(name="Yizhan Door", identifiers=["door-0001"])
heard, state = [], {"jam": False, "silent": False}


def settings(entity, available=True):
    return Settings(mqtt=broker, entity=entity, manual_availability=available)


def info(kind, name, **more):
    return kind(name=name, unique_id=f"door_{name}", device=device, **more)


def obeying(name, act):
    def told(_client, _user_data, message):
        payload = message.payload.decode()
        heard.append(f"{name}={payload}{' (retained)' if message.retain else ''}")
        if not state["silent"]:
            act(payload)

    return told


def move_bolt(payload):
    if payload == "UNLOCK":
        lock.unlocking()
        lock.jammed() if state["jam"] else lock.unlocked()
    elif payload == "LOCK":
        lock.locking()
        lock.locked()


lock = Lock(settings(info(LockInfo, "strike")), obeying("strike", move_bolt), retain=True)
contact = BinarySensor(settings(info(BinarySensorInfo, "contact", device_class="door"), available=False))
call = BinarySensor(settings(info(BinarySensorInfo, "call"), available=False))
temperature = Sensor(settings(info(SensorInfo, "temperature", unit_of_measurement="°C")))
phase = Sensor(settings(info(SensorInfo, "phase"), available=False))
heater = Switch(
    settings(info(SwitchInfo, "heater")), obeying("heater", lambda p: heater.on() if p == "ON" else heater.off())
)
target = Number(
    settings(info(NumberInfo, "target", min=5, max=30, step=0.5, unit_of_measurement="°C")),
    obeying("target", lambda payload: target.set_value(float(payload))),
)
mode = Select(
    settings(info(SelectInfo, "mode", options=["idle", "eco"])),
    obeying("mode", lambda payload: mode.select_option(payload)),
)
label = Text(settings(info(TextInfo, "label")), obeying("label", lambda payload: label.set_text(payload)))
entities = {
    entity._entity.name: entity for entity in (lock, contact, call, temperature, phase, heater, target, mode, label)
}
SAYS = {
    "strike": lambda word: getattr(lock, word)(),
    "contact": lambda word: contact.on() if word == "on" else contact.off(),
    "call": lambda word: call.on() if word == "on" else call.off(),
    "temperature": lambda word: temperature.set_state(float(word)),
    "phase": lambda word: phase.set_state(word),
    "heater": lambda word: heater.on() if word == "on" else heater.off(),
    "target": lambda word: target.set_value(float(word)),
    "mode": lambda word: mode.select_option(word),
    "label": lambda word: label.set_text(word),
}
for entity in entities.values():
    entity.write_config().wait_for_publish(WAIT_S)


def reset():
    heard.clear()
    state.update(jam=False, silent=False)
    for entity in entities.values():
        if hasattr(entity, "availability_topic"):
            entity.last_state = None
            entity.set_availability(True)
    lock.last_state = None
    lock.locked()


def kept():
    """What a newcomer is given at once; the last is published for it, to know that all came."""
    found, done = [], threading.Event()

    def came(_client, _user_data, message):
        if message.topic == "hmd/end":
            done.set()
        elif message.retain:
            found.append(message.topic)

    newcomer = connected("newcomer", came)
    newcomer.subscribe("hmd/#", qos=1)
    threading.Event().wait(0.3)
    newcomer.publish("hmd/end", "x", qos=1)
    assert done.wait(WAIT_S)
    newcomer.disconnect()
    newcomer.loop_stop()
    return " ".join(sorted(set(found)))


reset()
print("ready", flush=True)
for line in sys.stdin:
    command, *words = line.strip().split(" ")
    answer = "ok"
    if command in ("jam", "silent"):
        state[command] = words[0] == "on"
    elif command == "say":
        SAYS[words[0]](words[1])
    elif command == "available":
        entities[words[0]].set_availability(words[1] == "on")
    elif command == "raw":
        client.publish(words[0], words[1], retain=len(words) > 2).wait_for_publish(WAIT_S)
    elif command == "reset":
        reset()
    elif command == "kept":
        answer = kept()
    elif command == "heard":
        answer = " ".join(heard)
    print(answer, flush=True)
client.disconnect()
client.loop_stop()

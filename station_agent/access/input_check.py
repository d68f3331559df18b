"""Whether the inputs that a profile names for its door are there. Each mistake says what the device has."""

from __future__ import annotations

from station_agent.access.inputs import MECHANICAL, named_inputs
from station_agent.wire.profile import DeviceRow, StationProfile

WITHOUT_INPUTS = frozenset(
    {"serial_scanner", "alpha_sign", "huidu_sign", "framebuffer_sign", "hub75_sign", "nmea_gnss", "at_modem"}
)


def inputs_of(device: DeviceRow) -> frozenset[str] | None:
    """Names of a device's inputs; None where its row does not tell (a device profile or the device itself does)."""
    options = device.options
    match device.driver:
        case "modbus_lock":
            contact = {"contact"} if options.get("contact") is not None else set()
            return frozenset(contact | set(options.get("buttons", {})))
        case "esphome_lock" | "mqtt_lock":
            contact = {"contact"} if options.get("contact") is not None else set()
            return frozenset({"jammed"} | contact | set(options.get("buttons", {})))
        case "uhppote_door":
            contact = {"contact"} if options.get("contact", True) else set()
            button = options.get("button", "egress")
            return frozenset(contact | ({button} if button else set()))
        case "door_board":
            return frozenset({"contact", "egress", "fire", "tamper"})
        case "nut_ups":
            return frozenset({"on_battery", "low_battery"})
        case driver:
            return frozenset() if driver in WITHOUT_INPUTS else None


def has_contact(lock: DeviceRow) -> bool:
    known = inputs_of(lock)
    return known is None or "contact" in known


def check_inputs(profile: StationProfile) -> list[str]:
    """Every way in which the door's inputs and its devices do not fit."""
    row, errors = profile.door, []
    for field, name in named_inputs(row).items():
        if field not in row.model_fields_set:
            continue  # a lock without a contact is a warning
        device = profile.devices.get(name.device)
        if device is None:
            errors.append(f"door.{field}: there is no device {name.device!r}")
            continue
        known = inputs_of(device)
        if known is not None and name.input not in known:
            has = f"has {', '.join(sorted(known))}" if known else "has no inputs"
            errors.append(f"door.{field}: {name.device!r} ({device.driver}) {has}, and not {name.input!r}")
    if row.egress_signal is not None and row.egress != MECHANICAL:
        errors.append('door.egress_signal: is the switch of a mechanical handle; say egress = "mechanical" with it')
    if row.egress is not None and row.egress == f"!{MECHANICAL}":
        errors.append('door.egress: "mechanical" is a word here and no input')
    used: dict[str, str] = {}
    for field, name in named_inputs(row).items():
        where = f"{name.device}.{name.input}"
        if where in used:
            errors.append(f"door.{field}: {where} is the input of door.{used[where]} already")
        used[where] = field
    return errors

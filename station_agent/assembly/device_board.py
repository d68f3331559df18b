"""Which devices answer: the newest health of each, its event, and the alarm of one that went silent."""

from __future__ import annotations

from firmware_bridge.capabilities import Health, HealthChanged
from station_agent.assembly.ground import Ground
from station_agent.devices import device_health, device_state
from station_agent.wire.envelope import DeviceState
from station_agent.wire.kinds import AlarmKind


class DeviceBoard:
    """`states` holds only devices that have been heard of since the start."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.states: dict[str, DeviceState] = {}

    def online(self, device: str) -> bool | None:
        """None: not heard of yet."""
        state = self.states.get(device)
        return state.online if state is not None else None

    def health_changed(self, event: HealthChanged) -> None:
        ground = self._ground
        self.states[event.device] = device_state(event)
        ground.spool.record(device_health(event))
        if event.health is Health.ONLINE:
            ground.alarms.clear_alarm(AlarmKind.DEVICE_OFFLINE, event.device)
        elif event.device != ground.profile.door.lock:  # the door has an alarm of its own for its lock
            ground.alarms.raise_alarm(AlarmKind.DEVICE_OFFLINE, event.device, event.detail)
        ground.changes.note()

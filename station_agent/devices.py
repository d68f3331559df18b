"""Capability -> wire kinds: the one place where what the hardware says becomes what the hub reads."""

from __future__ import annotations

from firmware_bridge.capabilities import Health, HealthChanged, Reading
from firmware_bridge.config import DeviceConfig, LineConfig
from station_agent.wire.envelope import DeviceState
from station_agent.wire.events import DeviceHealth, PointReading
from station_agent.wire.profile import DeviceRow, LineRow

DETAIL_MAX = 500


def point_reading(reading: Reading) -> PointReading:
    return PointReading(
        device=reading.device,
        point=reading.point,
        value=reading.value,
        unit=reading.unit,
        quality=reading.quality.value,
        at=reading.at,
    )


def device_health(change: HealthChanged) -> DeviceHealth:
    return DeviceHealth(device=change.device, online=change.health is Health.ONLINE, detail=change.detail[:DETAIL_MAX])


def device_state(change: HealthChanged) -> DeviceState:
    return DeviceState(online=change.health is Health.ONLINE, detail=change.detail[:DETAIL_MAX])


def line_config(row: LineRow) -> LineConfig:
    """Raises pydantic.ValidationError for a url that no line has."""
    return LineConfig.model_validate(row.model_dump(exclude_unset=True))


def device_config(row: DeviceRow) -> DeviceConfig:
    """Raises pydantic.ValidationError for what the bridge does not take."""
    given = row.model_dump(exclude_none=True)
    return DeviceConfig.model_validate(given)

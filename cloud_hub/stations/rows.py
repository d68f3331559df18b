"""PURE: a station's row and detail from its board entry and what the database counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cloud_hub.settings import Settings
from cloud_hub.stations.board import Entry
from cloud_hub.stations.models import Alarm, Camera, Device, ProfileSummary, Station, StationDetail


@dataclass(frozen=True, slots=True)
class Counts:
    """What the database knows of one station for its row."""

    visits_today: int
    alarms_open: int
    temperature_c: float | None
    humidity_pct: float | None


def station_row(entry: Entry, counts: Counts, settings: Settings, now: datetime) -> Station:
    profile, state = entry.profile, entry.state
    station = profile.station
    return Station(
        id=station.id,
        name=station.name,
        place=station.place,
        online=entry.online(now),
        last_seen=entry.last_seen,
        door=entry.door,
        contact_open=entry.contact_open,
        roster_version=state.roster_version if state else None,
        rules_version=state.rules_version if state else None,
        spooled=state.spooled if state else None,
        sign_text=state.sign_text if state else None,
        visits_today=counts.visits_today,
        alarms_open=counts.alarms_open,
        temperature_c=counts.temperature_c,
        humidity_pct=counts.humidity_pct,
        cameras=[Camera(camera=name, name=camera.name or name) for name, camera in profile.cameras.items()],
        faces_enabled=profile.faces.enabled,
        virtual_door_url=settings.virtual_door(station.id),
    )


def station_detail(
    row: Station, entry: Entry, alarms: list[Alarm], roster_wanted: int, rules_wanted: int
) -> StationDetail:
    profile, state = entry.profile, entry.state
    told = state.devices if state else {}
    devices = [
        Device(
            device=name,
            driver=device.driver,
            online=told[name].online if name in told else None,
            detail=told[name].detail if name in told else "",
        )
        for name, device in profile.devices.items()
    ]
    return StationDetail(
        **dict(row),
        time_zone=profile.station.time_zone,
        agent_version=state.agent_version if state else None,
        clock_trusted=state.clock_trusted if state else None,
        roster_wanted=roster_wanted,
        rules_wanted=rules_wanted,
        devices=devices,
        alarms=alarms,
        profile=ProfileSummary(
            lines=list(profile.lines),
            lock=profile.door.lock,
            scanner=profile.door.scanner,
            face_button=profile.door.face_button,
            hold_s=profile.door.hold_s,
            held_open_after_s=profile.door.held_open_after_s,
            sign=profile.sign.device if profile.sign else None,
            faces_people_max=profile.faces.people_max,
            telemetry_period_s=profile.telemetry.period_s,
            heartbeat_s=profile.telemetry.heartbeat_s,
        ),
    )

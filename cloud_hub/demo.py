"""Fills a hub for trying out: two stations, members with virtual phones, log-ins. The same at every start.

    DATA/demo/<station>.json   the station's link file (wire.link.HubLink)
    DATA/demo/logins.json      [{user, password, role}]
    DATA/demo/phones.json      [{member, name, occupation, private_pem, certificate_hex}]
All are readable by the owner only, and made anew where they are missing.
"""

from __future__ import annotations

import json
import secrets
import tomllib
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from pydantic import BaseModel, TypeAdapter, ValidationError

from cloud_hub.codes.models import NewPhoneKey
from cloud_hub.demo_mark import ACTOR
from cloud_hub.hub import Hub
from cloud_hub.members.models import Occupation
from cloud_hub.secret_files import write_secret
from cloud_hub.settings import DEMO_STATIONS, BadSettings
from cloud_hub.storage.schema import members, phone_keys, users
from cloud_hub.users.models import Role
from station_agent.wire.documents import Algorithm
from station_agent.wire.membership_code import public_bytes
from station_agent.wire.profile import StationProfile

T = TypeVar("T")

RENEWED_BEFORE = timedelta(days=7)  # a demo may run for days without a new start

LOGINS = (
    ("admin", Role.ADMIN, "管理员 郑敏"),
    ("operator", Role.OPERATOR, "值班员 刘洋"),
    ("viewer", Role.VIEWER, "观察员 孙悦"),
)


@dataclass(frozen=True, slots=True)
class DemoPerson:
    member: str
    name: str
    occupation: Occupation


PEOPLE = (
    DemoPerson("0d00000000000001", "王秀兰", Occupation.SANITATION),
    DemoPerson("0d00000000000002", "李建国", Occupation.SANITATION),
    DemoPerson("0d00000000000003", "张伟", Occupation.COURIER),
    DemoPerson("0d00000000000004", "赵丽娜", Occupation.COURIER),
    DemoPerson("0d00000000000005", "陈志强", Occupation.RIDER),
    DemoPerson("0d00000000000006", "刘桂芳", Occupation.DRIVER),
    DemoPerson("0d00000000000007", "孙鹏", Occupation.TRAFFIC_POLICE),
    DemoPerson("0d00000000000008", "周海燕", Occupation.SECURITY),
)


class Phone(BaseModel):
    """A virtual phone, as the virtual station reads it."""

    member: str
    name: str
    occupation: Occupation
    private_pem: str
    certificate_hex: str


_PHONES = TypeAdapter(list[Phone])


class Login(BaseModel):
    user: str
    password: str
    role: Role


_LOGINS = TypeAdapter(list[Login])


async def seed(hub: Hub) -> None:
    """Adds what is missing. Raises BadSettings for demo stations without a valid profile."""
    folder = hub.settings.data / "demo"
    folder.mkdir(mode=0o700, exist_ok=True)
    for name in DEMO_STATIONS:
        profile = read_profile(hub.settings.stations_dir / f"{name}.toml", name)
        if name in await hub.stations.broker_users():
            await hub.stations.update_profile(profile)
        else:
            await hub.stations.add(profile, ACTOR)
        link = hub.stations.revealed(await hub.stations.link(name))
        write_secret(folder / f"{name}.json", json.dumps(link, indent=1).encode())
    await hub.database.write(lambda c: _add_people(c, hub.clock.now()))
    await _logins(hub, folder / "logins.json")
    await _phones(hub, folder / "phones.json")


def read_profile(path: Path, station: str) -> StationProfile:
    """Raises BadSettings."""
    try:
        profile = StationProfile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise BadSettings(f"{path} is missing: the demo needs the profile of {station} there") from None
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise BadSettings(f"{path} is no station profile (yizhan-station check tells more): {error}") from None
    if profile.station.id != station:
        raise BadSettings(f"{path} describes {profile.station.id}, not {station}")
    return profile


def _add_people(connection: sa.Connection, now: datetime) -> None:
    known = set(connection.scalars(sa.select(members.c.id)))
    for person in PEOPLE:
        if person.member not in known:
            connection.execute(
                members.insert().values(
                    id=person.member, name=person.name, occupation=person.occupation, active=True, created_at=now
                )
            )


async def _logins(hub: Hub, path: Path) -> None:
    known = {one.user: one for one in _kept(path, _LOGINS)}
    there = set(await hub.database.read(lambda c: c.scalars(sa.select(users.c.user)).all()))
    logins = []
    for user, role, name in LOGINS:
        login = known.get(user) or Login(user=user, password=secrets.token_urlsafe(12), role=role)
        if user not in there:
            await hub.users.add(user, name, role, login.password, ACTOR)
        elif user not in known:
            await hub.users.set_password(user, login.password, ACTOR)
        logins.append(login)
    write_secret(path, _LOGINS.dump_json(logins, indent=1))


async def _phones(hub: Hub, path: Path) -> None:
    known = {phone.member: phone for phone in _kept(path, _PHONES)}
    until = hub.clock.now() + RENEWED_BEFORE
    query = sa.select(phone_keys.c.public).where(phone_keys.c.not_after > until)
    lasting = set(await hub.database.read(lambda c: c.scalars(query).all()))
    phones = []
    for person in PEOPLE:
        phone = known.get(person.member)
        pem = phone.private_pem if phone else _new_pem()
        key = load_pem_private_key(pem.encode(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        public = public_bytes(key).hex()
        if phone and public in lasting:
            phones.append(phone)
            continue
        new = NewPhoneKey(algorithm=Algorithm.ES256, public=public)
        certificate = await hub.codes.register_key(person.member, new)
        phones.append(
            Phone(
                member=person.member,
                name=person.name,
                occupation=person.occupation,
                private_pem=pem,
                certificate_hex=certificate.certificate,
            )
        )
    write_secret(path, _PHONES.dump_json(phones, indent=1))


def _new_pem() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _kept(path: Path, adapter: TypeAdapter[list[T]]) -> list[T]:
    """What an earlier start wrote; nothing where the file is missing or damaged."""
    try:
        return adapter.validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return []

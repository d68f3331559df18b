"""Local accounts and sessions. Passwords are argon2id, hashed in a thread; sessions are opaque and server-side."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from cloud_hub import audit
from cloud_hub.clock import Clock
from cloud_hub.problems import Problem
from cloud_hub.storage.database import Database
from cloud_hub.storage.schema import sessions, users
from cloud_hub.tokens import new_token, token_hash
from cloud_hub.users.models import Role, User
from cloud_hub.users.rules import TRIES_OF_A_USER, TRIES_OF_AN_ADDRESS, TryLimit

SESSION_LIFETIME = timedelta(hours=12)  # a working day; then the password is asked again
PASSWORD_LENGTH_MIN = 10
_HASHERS = 2  # argon2 takes 64 MiB and ~50 ms each; more at once would only help an attacker


class UserExists(Exception):
    """The name is taken."""


class Users:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._hasher = PasswordHasher()
        self._threads = ThreadPoolExecutor(_HASHERS, thread_name_prefix="argon2")
        self._by_user = TryLimit(TRIES_OF_A_USER)
        self._by_address = TryLimit(TRIES_OF_AN_ADDRESS)
        self._nobody: str | None = None  # verified for unknown names, so that they take as long

    def close(self) -> None:
        self._threads.shutdown()

    async def add(self, user: str, name: str, role: Role, password: str, actor: str) -> None:
        """Raises UserExists."""
        loop = asyncio.get_running_loop()
        hashed = await loop.run_in_executor(self._threads, self._hasher.hash, password)
        now = self._clock.now()

        def insert(connection: sa.Connection) -> None:
            if connection.scalar(sa.select(users.c.user).where(users.c.user == user)):
                raise UserExists(f"there is a user {user!r} already")
            connection.execute(
                users.insert().values(user=user, name=name, role=role, password_hash=hashed, created_at=now)
            )
            audit.record(connection, now, actor, "user.add", user, {"role": role})

        await self._database.write(insert)

    async def set_password(self, user: str, password: str, actor: str) -> None:
        """Ends the user's sessions as well."""
        loop = asyncio.get_running_loop()
        hashed = await loop.run_in_executor(self._threads, self._hasher.hash, password)

        def update(connection: sa.Connection) -> None:
            connection.execute(users.update().where(users.c.user == user).values(password_hash=hashed))
            connection.execute(sessions.delete().where(sessions.c.user == user))
            audit.record(connection, self._clock.now(), actor, "user.password", user)

        await self._database.write(update)

    async def log_in(self, user: str, password: str, address: str) -> tuple[User, str]:
        """The user and a new session's token. Raises Problem 401, or 429 after too many wrong tries."""
        now_s = self._clock.monotonic()
        wait_s = max(self._by_user.wait_s(user, now_s), self._by_address.wait_s(address, now_s))
        if wait_s > 0:
            seconds = str(int(wait_s) + 1)
            raise Problem(
                429, "too-many-tries", f"Too many wrong tries: wait {seconds} s.", headers={"Retry-After": seconds}
            )
        self._by_user.wrong(user, now_s)  # counted before the slow check, so that tries at the same time count as well
        self._by_address.wrong(address, now_s)
        loop = asyncio.get_running_loop()
        if self._nobody is None:  # by the first try, whatever its name: a start is spared a tenth of its work
            self._nobody = await loop.run_in_executor(self._threads, self._hasher.hash, new_token())
        row = await self._database.read(lambda c: c.execute(users.select().where(users.c.user == user)).first())
        hashed = self._nobody if row is None else row.password_hash
        fits = await loop.run_in_executor(self._threads, self._fits, hashed, password)
        if row is None or not fits:
            raise Problem(401, "wrong-login", "The user name or the password is wrong.")
        self._by_user.right(user)
        self._by_address.right(address)
        token = new_token()
        now = self._clock.now()

        def begin(connection: sa.Connection) -> None:
            connection.execute(sessions.delete().where(sessions.c.expires_at <= now))
            connection.execute(
                sessions.insert().values(token_hash=token_hash(token), user=user, expires_at=now + SESSION_LIFETIME)
            )
            audit.record(connection, now, user, "session.open", user, {"address": address})

        await self._database.write(begin)
        return User(user=row.user, role=Role(row.role), name=row.name), token

    def _fits(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerifyMismatchError, InvalidHashError):
            return False

    async def of(self, token: str) -> User | None:
        """Who holds this session, if it is one that still lives."""
        query = (
            sa.select(users.c.user, users.c.role, users.c.name)
            .join(sessions, sessions.c.user == users.c.user)
            .where(sessions.c.token_hash == token_hash(token), sessions.c.expires_at > self._clock.now())
        )
        row = await self._database.read(lambda c: c.execute(query).first())
        return None if row is None else User(user=row.user, role=Role(row.role), name=row.name)

    async def log_out(self, token: str) -> str | None:
        """Ends the session; the user, when it was the last one of theirs."""

        now = self._clock.now()

        def end(connection: sa.Connection) -> str | None:
            this = sessions.c.token_hash == token_hash(token)
            user: str | None = connection.scalar(sa.select(sessions.c.user).where(this))
            connection.execute(sessions.delete().where(this))
            others = sa.select(sessions.c.user).where(sessions.c.user == user, sessions.c.expires_at > now).limit(1)
            return None if user is None or connection.scalar(others) else user

        return await self._database.write(end)

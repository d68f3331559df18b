"""Sessions: who is still logged in after a log-out."""

from pathlib import Path

from cloud_hub.clock import SystemClock
from cloud_hub.storage.database import Database
from cloud_hub.users.models import Role
from cloud_hub.users.service import Users

PASSWORD = "a-long-enough-password"


async def test_a_log_out_names_the_user_only_when_no_session_is_left(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "hub.db") as database:
        users = Users(database, SystemClock())
        try:
            await users.add("operator", "值班员", Role.OPERATOR, PASSWORD, "test")
            _, here = await users.log_in("operator", PASSWORD, "127.0.0.1")
            _, there = await users.log_in("operator", PASSWORD, "127.0.0.1")
            assert await users.log_out(here) is None, "the other browser's live view must go on"
            assert await users.of(here) is None
            assert await users.log_out(there) == "operator"
            assert await users.log_out(there) is None, "a second log-out ends nobody"
        finally:
            users.close()

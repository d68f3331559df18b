"""Secrets of devices: files of their own, whole or not at all, told to nobody."""

import stat

import pytest

from firmware_bridge.secrets import SECRET_BYTES_MAX, NoSecrets, SecretDirectory, SecretError


def test_a_secret_that_was_kept_is_read_again_and_is_for_its_owner_only(tmp_path):
    secrets = SecretDirectory(tmp_path / "keys")
    assert secrets.read("door.key") is None
    secrets.write("door.key", b"\x01" * 16)
    secrets.write("door.key", b"\x02" * 16)
    assert secrets.read("door.key") == b"\x02" * 16
    assert stat.S_IMODE((tmp_path / "keys" / "door.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["door.key"]


@pytest.mark.parametrize("name", ["", "../door", "Door", "a/b", ".hidden", "x" * 65])
def test_a_name_that_leads_elsewhere_is_none(tmp_path, name):
    with pytest.raises(SecretError, match="names no secret"):
        SecretDirectory(tmp_path).read(name)


def test_a_file_too_large_for_a_secret_is_refused_without_its_content(tmp_path):
    (tmp_path / "door.key").write_bytes(b"S" * (SECRET_BYTES_MAX + 1))
    with pytest.raises(SecretError) as told:
        SecretDirectory(tmp_path).read("door.key")
    assert "SSS" not in str(told.value)


def test_a_place_that_cannot_be_written_says_so(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("here is no directory")
    with pytest.raises(SecretError, match="cannot be kept"):
        SecretDirectory(blocked).write("door.key", b"x")


def test_a_bridge_without_a_key_directory_keeps_none():
    assert NoSecrets().read("door.key") is None
    with pytest.raises(SecretError, match="no key directory"):
        NoSecrets().write("door.key", b"x")

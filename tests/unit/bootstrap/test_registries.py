"""pip's settings reach uv, the user's own uv settings win, and folders that are not there are left out."""

from pathlib import Path

import pytest

from deploy.bootstrap.registries import pip_settings, uv_environment

LISTING = """\
global.cert='/etc/ssl/ca.crt'
global.index-url='https://weak.example/simple'
user.index-url='https://mirror.example/simple'
:env:.default-timeout='180'
install.no-binary='x'
nonsense
"""


def test_the_stronger_level_wins_whatever_the_order() -> None:
    lines = LISTING.splitlines()
    for listing in ("\n".join(lines), "\n".join(reversed(lines))):
        settings = pip_settings(listing)
        assert settings["index-url"] == "https://mirror.example/simple"
        assert settings["timeout"] == "180"


def test_an_index_and_extra_indexes_are_passed_on_with_pips_rule_for_choosing() -> None:
    settings = {"index-url": "https://a.example/s", "extra-index-url": "\nhttps://b.example/s\nhttps://c.example/s"}
    assert uv_environment(settings, {}, uv_is_configured=False) == {
        "UV_DEFAULT_INDEX": "https://a.example/s",
        "UV_INDEX": "https://b.example/s https://c.example/s",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }


def test_folders_that_do_not_exist_are_left_out(tmp_path: Path) -> None:
    settings = {"find-links": f"{tmp_path} /nowhere/wheels", "extra-index-url": "file:///nowhere/simple"}
    assert uv_environment(settings, {}, uv_is_configured=False) == {"UV_FIND_LINKS": str(tmp_path)}


@pytest.mark.parametrize("name", ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX"])
def test_whoever_chose_indexes_for_uv_keeps_that_choice(name: str) -> None:
    settings = {"index-url": "https://a.example/s", "timeout": "60"}
    assert uv_environment(settings, {name: "chosen"}, uv_is_configured=False) == {"UV_HTTP_TIMEOUT": "60"}


def test_uvs_own_file_counts_as_a_choice() -> None:
    assert uv_environment({"index-url": "https://a.example/s"}, {}, uv_is_configured=True) == {}


def test_a_variable_that_is_set_is_not_overruled() -> None:
    settings = {"cert": "/", "proxy": "http://proxy.example:3128"}
    env = {"SSL_CERT_FILE": "/mine.crt"}
    assert uv_environment(settings, env, uv_is_configured=False) == {"ALL_PROXY": "http://proxy.example:3128"}

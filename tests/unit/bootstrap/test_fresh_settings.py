"""What `make fresh` takes into the bare Debian: the user's mirrors, and nothing of this machine besides."""

from pathlib import Path

import pytest

from deploy.bootstrap.fresh import apt_archive, inner_environment, npm_settings


@pytest.mark.parametrize(
    "sources",
    [
        "deb http://mirror.example/debian bookworm main\n",
        "deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian/ bookworm main contrib\n",
        "deb https://other.example/apt stable main\nTypes: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\n",
    ],
)
def test_the_machines_own_debian_mirror_is_found(sources: str) -> None:
    assert apt_archive(sources) == ["http://mirror.example/debian"]


def test_security_and_foreign_archives_are_not_taken_for_it() -> None:
    sources = "#deb http://a.example/debian bookworm main\nURIs: http://a.example/debian-security\n"
    assert apt_archive(sources + "deb https://a.example/apt stable main\n") == []


def test_mirrors_and_certificates_come_along_folders_and_secrets_do_not(tmp_path: Path) -> None:
    certificate = tmp_path / "ca.crt"
    certificate.touch()
    env = {"HTTPS_PROXY": "http://proxy.example", "AWS_SECRET": "x", "UV_INDEX": "https://u.example", "HOME": "/me"}
    pip = {
        "index-url": "https://pip.example/simple",
        "find-links": str(tmp_path),
        "extra-index-url": f"file://{tmp_path} https://extra.example/simple",
        "cert": str(certificate),
        "user": "yes",
    }
    inner = inner_environment(env, pip)
    assert {name: value for name, value in inner.items() if name not in ("PATH", "LANG")} == {
        "HTTPS_PROXY": "http://proxy.example",
        "UV_INDEX": "https://u.example",
        "PIP_INDEX_URL": "https://pip.example/simple",
        "PIP_EXTRA_INDEX_URL": "https://extra.example/simple",
        "PIP_CERT": str(certificate),
        "HOME": "/root",
    }


def test_of_npms_settings_only_the_registry_comes_along() -> None:
    text = "registry=https://npm.example/\n//npm.example/:_authToken=secret\n@union:registry = https://u.example\nx=1\n"
    assert npm_settings(text) == "registry=https://npm.example/\n@union:registry = https://u.example\n"

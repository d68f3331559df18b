"""Every codec takes what a coverage-guided fuzzer makes of its seeds, for a bounded time."""

import subprocess

import pytest

from tests.fuzz.fuzzing import TARGETS, fuzz
from tests.harness.peers import peer_python

SECONDS = 3


@pytest.fixture(scope="session")
def atheris():
    try:
        peer_python("atheris")
    except (subprocess.CalledProcessError, FileNotFoundError):
        pytest.skip("no atheris here: it has wheels for Linux on x86-64, Python 3.11 to 3.13")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.usefixtures("atheris")
def test_a_codec_takes_whatever_comes(target):
    outcome = fuzz(target, seconds=SECONDS)
    assert not outcome.crash, outcome.crash
    assert outcome.inputs > 500
    assert outcome.edges > 20, "the codec was not reached"

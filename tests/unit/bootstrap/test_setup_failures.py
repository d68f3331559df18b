"""Every way that set-up is known to fail has a sentence that says whose fault it is and what to do."""

from pathlib import Path

import pytest

from deploy.bootstrap.failures import explain

KNOWN = {
    "pip, no network": (
        "WARNING: Retrying ... NewConnectionError(': Failed to establish a new connection: [Errno -3] "
        "Temporary failure in name resolution')\nERROR: No matching distribution found for uv==1",
        "cannot be reached: check the network",
    ),
    "uv, no network": (
        "error: Failed to fetch: `x`\n  Caused by: error sending request\n  Caused by: dns error",
        "cannot be reached: check the network",
    ),
    "npm, no network": ("npm error code ENOTFOUND\nnpm error network request failed", "cannot be reached"),
    "uv, other bytes": ("error: Failed to fetch\n  Hash mismatch for `numpy==2`", "not the one that the lock names"),
    "npm, other bytes": ("npm error code EINTEGRITY", "not the one that the lock names"),
    "no CA": ("error sending request\n invalid peer certificate: UnknownIssuer", "certificate is not trusted"),
    "disk": ("OSError: [Errno 28] No space left on device", "the disk is full"),
}


@pytest.mark.parametrize("case", KNOWN)
def test_a_known_failure_is_one_sentence(tmp_path: Path, case: str) -> None:
    text, meaning = KNOWN[case]
    log = tmp_path / "step.log"
    log.write_text(text)
    sentence = explain("installing packages", log)
    assert sentence.startswith("Failed installing packages: ")
    assert meaning in sentence
    assert str(log) in sentence
    assert "\n" not in sentence


def test_an_unknown_failure_shows_how_the_log_begins_and_ends(tmp_path: Path) -> None:
    log = tmp_path / "step.log"
    log.write_text("\n".join(f"line {number}" for number in range(40)))
    text = explain("building", log)
    assert "line 0\n" in text
    assert text.endswith("line 39")
    assert "line 20" not in text


def test_a_missing_log_is_no_second_failure(tmp_path: Path) -> None:
    assert explain("building", tmp_path / "none.log").startswith("Failed building")

"""run.py's first lines and its command line."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.bootstrap import cli

RUN_PY = Path(__file__).parents[3] / "run.py"


def test_an_old_python_gets_one_sentence_and_status_2() -> None:
    pretend = f"import runpy, sys; sys.version_info = (3, 8, 10); runpy.run_path({str(RUN_PY)!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", pretend], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "Yizhan needs Python 3.11 or newer, and this is 3.8: start it with a newer one.\n"
    assert done.stdout == ""


def test_windows_gets_one_sentence_and_status_2() -> None:
    pretend = f"import runpy, sys; sys.platform = 'win32'; runpy.run_path({str(RUN_PY)!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", pretend], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "Yizhan drives serial lines as POSIX has them: run it on Linux (WSL is one) or macOS.\n"


def test_run_py_uses_no_syntax_that_an_old_python_cannot_read() -> None:
    tree = ast.parse(RUN_PY.read_text(encoding="ascii"))
    newer = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.AsyncFunctionDef, ast.Match)
    assert not [node for node in ast.walk(tree) if isinstance(node, newer)]
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert not [function.name for function in functions if function.returns]


def test_demo_takes_port_seconds_and_fresh() -> None:
    options, rest = cli.parse(["demo", "--port", "9000", "--seconds", "2.5", "--fresh"])
    assert (options.port, options.seconds, options.fresh, rest) == (9000, 2.5, True, [])


def test_what_follows_a_bare_dash_pair_is_for_pytest() -> None:
    options, rest = cli.parse(["test", "--quick", "--", "-k", "door", "--", "x"])
    assert options.quick
    assert rest == ["-k", "door", "--", "x"]


@pytest.mark.parametrize(
    "argv", [[], ["fly"], ["demo", "--seconds", "0"], ["demo", "--", "-x"], ["demo", "--port", "x"]]
)
def test_a_wrong_command_line_ends_with_status_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.parse(argv)
    assert ended.value.code == 2
    assert "usage: run.py" in capsys.readouterr().err


def test_what_is_started_keeps_its_bytecode_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    started_with: dict[str, str] = {}
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setattr(cli.processes, "interrupt_on_termination", lambda: None)
    monkeypatch.setattr(cli, "run", lambda *_: started_with.update(os.environ) or 0)
    assert cli.main(["test"]) == 0
    assert "PATH" in started_with
    assert "PYTHONDONTWRITEBYTECODE" not in started_with

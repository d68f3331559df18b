"""The leak fixture itself: it names what a test leaves behind, and is silent when nothing is left."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

CONFTEST = Path(__file__).parents[2] / "conftest.py"

INNER = """
    import asyncio, socket, subprocess, sys, threading

    KEPT = []

    def test_thread():
        threading.Thread(target=threading.Event().wait, args=(9,), name="forgotten", daemon=True).start()

    def test_descriptor():
        KEPT.append(socket.socket())

    def test_child():
        KEPT.append(subprocess.Popen(["cat"], stdin=subprocess.PIPE))  # ends with this process

    async def test_task():
        KEPT.append(asyncio.create_task(asyncio.Event().wait(), name="forgotten"))

    def test_clean():
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()
        subprocess.run(["true"], check=True)
        socket.socket().close()

    async def test_clean_async():
        await asyncio.create_task(asyncio.sleep(0))
        await asyncio.to_thread(lambda: None)
        process = await asyncio.create_subprocess_exec("true")
        await process.wait()
"""


def test_what_a_test_leaves_behind_is_named_and_nothing_else(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST.read_text().replace("GRACE_S = 2.0", "GRACE_S = 0.05"))
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makepyfile(INNER)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=6, errors=4)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_thread*",
            "*the test left behind:",
            "*thread 'forgotten'",
            "*ERROR at teardown of test_descriptor*",
            "*file descriptor * -> socket:*",
            "*ERROR at teardown of test_child*",
            "*child process * (cat)",
            "*ERROR at teardown of test_task*",
            "*asyncio task <Task * name='forgotten' *",
        ]
    )

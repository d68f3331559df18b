"""The demo watches real processes: small stand-ins that answer /readyz, at the commands' own places."""

import io
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.bootstrap import demo
from deploy.bootstrap.console import Console, Stop
from deploy.bootstrap.places import Places

PART = """#!{python} -IS
import http.server, json, pathlib, sys
words = dict(zip(sys.argv, sys.argv[1:]))
if "--data" in words:
    folder = pathlib.Path(words["--data"]) / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("demo-01.json", "demo-02.json", "phones.json"):
        (folder / name).write_text({given!r})
    (folder / "logins.json").write_text(json.dumps([dict(user="chief", password="s3cret", role="admin")]))
link = pathlib.Path(words["--link"]).read_text() if "--link" in words else "none"
print(f"starting with {{link}}:", *sys.argv[1:], flush=True)
answers = iter({answers})
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(next(answers, {then}))
        self.end_headers()
    def log_message(self, *words):
        pass
{before}
http.server.HTTPServer(("127.0.0.1", int(words["--port"])), Handler).serve_forever()
"""


class Scene:
    """A checkout with stand-ins, and the demo in it."""

    def __init__(self, root: Path) -> None:
        self.places = Places(root)
        self.port = free_ports()
        self.seen = io.StringIO()
        self.part("yizhan-hub")
        self.part("yizhan-station")

    def part(
        self, name: str, answers: tuple[int, ...] = (), then: int = 200, before: str = "", given: str = "a"
    ) -> None:
        script = self.places.tool(name)
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(PART.format(python=sys.executable, answers=answers, then=then, before=before, given=given))
        script.chmod(0o755)

    def run(self, seconds: float = 0.2) -> int:
        return demo.run(self.places, Console(self.seen), port=self.port, seconds=seconds, fresh=False)


def free_ports() -> int:
    """A port whose neighbours for the virtual doors are free too."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        try:
            demo.check_ports(port, [port, port + 101, port + 102])
        except Stop:
            continue
        return port


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(demo.environment, "ensure", lambda *_: None)  # has tests of its own
    monkeypatch.setattr(demo.pages, "ensure", lambda *_: None)
    monkeypatch.setattr(demo, "HEALTH_EVERY_S", 0.02)
    return Scene(tmp_path)


def test_a_demo_that_stays_healthy_ends_with_0_and_leaves_nothing(scene: Scene) -> None:
    assert scene.run() == 0
    seen = scene.seen.getvalue()
    for address in (f":{scene.port}/", f":{scene.port}/m", f":{scene.port + 101}/", f":{scene.port + 102}/"):
        assert f"http://127.0.0.1{address}" in seen
    assert "s3cret" in seen
    assert not (scene.places.state / "demo.lock").exists()
    demo.check_ports(scene.port, [scene.port, scene.port + 101, scene.port + 102])


def test_each_station_is_told_its_profile_its_link_and_its_own_state(scene: Scene) -> None:
    scene.run()
    log = (scene.places.demo / "logs" / "demo-02.log").read_text()
    for word in ("config/stations/demo-02.toml", "hub/demo/demo-02.json", "--state", str(scene.port + 102)):
        assert word in log


def test_a_part_that_ends_is_named_with_its_last_words(scene: Scene) -> None:
    ending = "if words['--state'].endswith('demo-01'): print('no such profile', flush=True); sys.exit(7)"
    scene.part("yizhan-station", before=ending)
    assert scene.run() == 1
    assert "station demo-01 ended with status 7" in scene.seen.getvalue()
    assert "    no such profile" in scene.seen.getvalue()


def test_a_part_that_never_gets_ready_is_named(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "START_LIMIT_S", 0.3)
    scene.part("yizhan-hub", then=503)
    assert scene.run() == 1
    assert "The hub was not ready after" in scene.seen.getvalue()


def test_a_part_that_stays_unhealthy_ends_the_demo(scene: Scene) -> None:
    scene.part("yizhan-station", answers=(200,), then=503)
    assert scene.run(seconds=30) == 1
    assert "failed 5 health checks in a row" in scene.seen.getvalue()


def test_one_failed_health_check_is_forgiven(scene: Scene) -> None:
    scene.part("yizhan-station", answers=(200, 503), then=200)
    assert scene.run(seconds=0.5) == 0


def test_a_hub_without_log_ins_is_a_failure(scene: Scene) -> None:
    scene.part("yizhan-hub", before="(folder / 'logins.json').unlink()")
    assert scene.run() == 1
    assert "wrote no readable log-ins" in scene.seen.getvalue()


@pytest.mark.parametrize("offset", [0, 101, 102])
def test_a_busy_port_is_named_and_another_offered(scene: Scene, offset: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", scene.port + offset))
        other.listen()
        with pytest.raises(Stop, match=rf"port {scene.port + offset} is in use .* --port \d+"):
            scene.run()


@pytest.mark.parametrize("port", [0, -1, 65500, 70000])
def test_an_impossible_port_is_refused(scene: Scene, port: int) -> None:
    scene.port = port
    with pytest.raises(Stop, match="is not possible"):
        scene.run()


def test_a_station_that_started_with_an_old_link_starts_again_with_the_new_one(scene: Scene) -> None:
    assert scene.run() == 0
    scene.part("yizhan-hub", given="another link")
    assert scene.run() == 0
    for name in demo.STATIONS:
        log = (scene.places.demo / "logs" / f"{name}.log").read_text()
        assert log.startswith("starting with another link:")


def test_fresh_forgets_earlier_demos(scene: Scene) -> None:
    old = scene.places.demo / "hub" / "old.sqlite"
    old.parent.mkdir(parents=True)
    old.touch()
    assert demo.run(scene.places, Console(scene.seen), port=scene.port, seconds=0.1, fresh=True) == 0
    assert not old.exists()


ALONE = """
import sys
from pathlib import Path
from deploy.bootstrap import cli, demo, environment, pages, processes
from deploy.bootstrap.console import standard_console
from deploy.bootstrap.places import Places
environment.ensure = pages.ensure = lambda *_: None
cli.HERE = Places(Path(sys.argv[1]))
sys.exit(cli.main(["demo", "--port", sys.argv[2]]))
"""


@contextmanager
def live_demo(scene: Scene) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A demo in a process of its own, once it is live, and a descriptor for each part that ends with the part."""
    argv = [sys.executable, "-c", ALONE, str(scene.places.root), str(scene.port)]
    root = Path(__file__).parents[3]
    with subprocess.Popen(argv, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        said = iter(process.stdout.readline, "")
        assert any("Yizhan is live" in line for line in said)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        ends = [os.pidfd_open(int(pid)) for pid in children]
        try:
            yield process, ends
        finally:
            for end in ends:
                os.close(end)
            process.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="watches processes as Linux shows them")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ended_by_hand_it_leaves_no_process_and_no_lock(scene: Scene, how: signal.Signals) -> None:
    with live_demo(scene) as (process, ends):
        process.send_signal(how)
        assert process.wait(10) == 0
        assert len(select.select(ends, [], [], 0)[0]) == 3
    assert not (scene.places.state / "demo.lock").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent ended")
def test_killed_it_takes_its_parts_along_and_the_next_demo_starts(scene: Scene) -> None:
    with live_demo(scene) as (process, ends):
        process.kill()
        assert all(select.select([end], [], [], 10)[0] for end in ends)
        assert len(ends) == 3
    assert scene.run() == 0

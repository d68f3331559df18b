"""Runs the hub behind uvicorn until a signal, and stops it within two seconds."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from cloud_hub.app import create_app
from cloud_hub.enrolment.broker_files import LOOK_EVERY_S, own_server_file
from cloud_hub.hub import Hub, open_hub
from cloud_hub.settings import BadSettings, Settings

log = logging.getLogger(__name__)

_GRACE_S = 1  # for requests that run; streams and video end at once


class _Server(uvicorn.Server):
    """The signals are ours: streams must end before the server waits for its connections."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(settings: Settings) -> None:
    """Returns after SIGINT or SIGTERM. Raises BadSettings."""
    settings.check()
    if settings.stations_shut_out:
        log.warning(
            "the broker is heard on %s only: for stations on other machines add --mqtt-host, or say by --mqtt-address "
            "where they find it",
            settings.mqtt_host,
        )
    listener = listen(settings)
    with contextlib.closing(listener):
        async with open_hub(settings) as hub:
            if settings.demo:
                from cloud_hub.demo import seed

                await seed(hub)
            await _serve(hub, listener)


async def _serve(hub: Hub, listener: socket.socket) -> None:
    certificate, key = _certificate(hub)
    server = _Server(
        uvicorn.Config(
            create_app(hub),
            ssl_certfile=certificate,
            ssl_keyfile=key,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=hub.settings.secure,
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=_GRACE_S,
            timeout_keep_alive=30,
        )
    )
    # What a start makes stays: left to the collector, each of its full rounds would look through it for ~0.1 s, and
    # everything that the hub does would wait.
    gc.collect()
    gc.freeze()
    loop = asyncio.get_running_loop()
    ending: list[asyncio.Task[None]] = []
    renewing = asyncio.create_task(_renew(server.config, hub))

    def stop() -> None:
        hub.feed.close()
        ending.append(asyncio.create_task(hub.relay.close()))
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        log.info("the hub answers at %s", hub.settings.url)
        await server.serve(sockets=[listener])
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        renewing.cancel()
        await asyncio.wait([renewing])
        await asyncio.gather(*ending)


def _certificate(hub: Hub) -> tuple[Path | None, Path | None]:
    """Certificate and key of the pages; None where a proxy on this machine has them, or nobody needs them."""
    if hub.settings.tls_own:
        own, _ = own_server_file(hub.settings, hub.keys, hub.clock.now())
        return own, own
    return hub.settings.tls_certificate, hub.settings.tls_key


async def _renew(config: uvicorn.Config, hub: Hub) -> None:
    """Pages that are served for years have a certificate that has not ended: new connections get the new one."""
    while hub.settings.tls_own:
        await asyncio.sleep(LOOK_EVERY_S)
        own, made = own_server_file(hub.settings, hub.keys, hub.clock.now())
        if made and config.ssl is not None:
            config.ssl.load_cert_chain(own)


def listen(settings: Settings) -> socket.socket:
    """Taken before anything else starts. Raises BadSettings for a busy port or a foreign address."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # asyncio switches Nagle's delay off (40 ms an answer) only where the protocol is named
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise BadSettings(
            f"{settings.host} port {settings.port} cannot be used ({error.strerror}): "
            "end what uses it, or choose another by --port"
        ) from None
    return listener

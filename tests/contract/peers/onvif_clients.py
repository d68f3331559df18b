"""Independent ONVIF clients against whatever camera is at a port of loopback.

    python onvif_clients.py zeep|onveef PORT USER PASSWORD
    python onvif_clients.py probe

Prints one line of JSON with what the client understood. zeep reads every answer by the standard's own WSDL. For the
events, something has to happen at the camera: "now" is printed when the client waits for it.
"""

import asyncio
import datetime
import json
import sys

LOOPBACK = "127.0.0.1"


async def by_zeep(port, user, password):
    from onvif import ONVIFCamera

    camera = ONVIFCamera(LOOPBACK, port, user, password, adjust_time=True)
    try:
        await camera.update_xaddrs()
        device = await camera.create_devicemgmt_service()
        media = await camera.create_media_service()
        motor = await camera.create_ptz_service()
        information = await device.GetDeviceInformation()
        profiles = await media.GetProfiles()
        sizes = [[p.token, p.VideoEncoderConfiguration.Encoding, p.VideoEncoderConfiguration.Resolution.Width]
                 for p in profiles]  # fmt: skip
        setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
        stream = await media.GetStreamUri({"StreamSetup": setup, "ProfileToken": "sub"})
        await media.SetSynchronizationPoint({"ProfileToken": "sub"})
        snapshot = await camera.get_snapshot("sub")
        speed = {"PanTilt": {"x": 0.5, "y": -0.25}, "Zoom": {"x": 0.0}}
        await motor.ContinuousMove({"ProfileToken": "sub", "Velocity": speed})
        await motor.Stop({"ProfileToken": "sub", "PanTilt": True, "Zoom": True})
        manager = await camera.create_pullpoint_manager(datetime.timedelta(seconds=60), lambda: None)
        service = manager.get_service()
        request = {"MessageLimit": 10, "Timeout": datetime.timedelta(seconds=5)}
        first = await service.PullMessages(request)
        print("now", flush=True)
        then = await service.PullMessages(request)
        await manager.shutdown()
        return {
            "model": information.Model,
            "profiles": sizes,
            "stream": stream.Uri,
            "snapshot": snapshot[:2].hex(),
            "first": [_message(each) for each in first.NotificationMessage],
            "then": [_message(each) for each in then.NotificationMessage],
        }
    finally:
        await camera.close()


def _message(notification):
    message = notification.Message._value_1
    return [
        notification.Topic._value_1,
        message.PropertyOperation,
        {item.Name: item.Value for item in message.Source.SimpleItem},
        {item.Name: item.Value for item in message.Data.SimpleItem},
    ]


async def by_onveef(port, user, password):
    from onveef import AsyncOnvifClient

    async with AsyncOnvifClient(LOOPBACK, port, user, password) as camera:
        information = await camera.get_device_information()
        profiles = await camera.get_profiles()
        await camera.ptz_continuous_move(profile_token="sub", pan=0.5, tilt=-0.25, zoom=0.0)
        await camera.ptz_stop(profile_token="sub")
        return {"model": information["Model"], "profiles": len(profiles)}


def by_probe():
    from wsdiscovery.discovery import ThreadedWSDiscovery

    search = ThreadedWSDiscovery()
    search.start()
    try:
        services = search.searchServices(timeout=1)
        return [[s.getEPR(), s.getXAddrs(), [str(scope) for scope in s.getScopes()]] for s in services]
    finally:
        search.stop()


def main():
    match sys.argv[1:]:
        case ["probe"]:
            result = by_probe()
        case [("zeep" | "onveef") as name, port, user, password]:
            client = by_zeep if name == "zeep" else by_onveef
            result = asyncio.run(client(int(port), user, password))
    print(json.dumps(result), flush=True)


main()

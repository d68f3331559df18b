"""The ipycam package as an ONVIF camera on loopback: device, media, PTZ, snapshot and WS-Discovery.

    python ipycam_camera.py [user password]

Prints "ready", then answers each line on standard input with one: "port", its HTTP port; "moves", what its PTZ was
told since the last time, as JSON. Ends with its standard input. Its own server listens on every interface; here
its handler is put on loopback.
"""

import json
import sys
import threading

import numpy as np
from ipycam.camera import IPCamera, ReusableThreadingTCPServer
from ipycam.config import CameraConfig
from ipycam.discovery import WSDiscoveryServer
from ipycam.http import IPCameraHTTPHandler

LOOPBACK = "127.0.0.1"


class Motor:
    """Stands where ipycam drives servos, and notes what they are told."""

    def __init__(self):
        self.told = []

    def on_continuous_move(self, pan_speed, tilt_speed, zoom_speed):
        self.told.append(["move", pan_speed, tilt_speed, zoom_speed])

    def on_stop(self):
        self.told.append(["stop"])


def main():
    user, password = sys.argv[1:3] if len(sys.argv) > 2 else ("", "")
    config = CameraConfig(local_ip=LOOPBACK, name="Yizhan test", username=user, password=password)
    camera = IPCamera(config)
    motor = Motor()
    camera.ptz.add_hardware_handler(motor)
    picture = np.zeros((config.sub_height, config.sub_width, 3), np.uint8)
    picture[:, :, 1] = np.arange(config.sub_width) % 256
    camera._last_frame = picture
    IPCameraHTTPHandler.camera = camera
    IPCameraHTTPHandler.log_message = lambda *_: None
    server = ReusableThreadingTCPServer((LOOPBACK, 0), IPCameraHTTPHandler)
    config.onvif_port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    discovery = WSDiscoveryServer(camera.onvif)
    discovery.start()
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() == "port":
            print(config.onvif_port, flush=True)
        elif line.strip() == "moves":
            told, motor.told = motor.told, []
            print(json.dumps(told), flush=True)
    discovery.stop()
    camera.ptz.stop()
    server.shutdown()
    server.server_close()


main()

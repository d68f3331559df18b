"""A GNSS receiver by nmeasim 1.1, for `tests/contract/bridge`: run as `python nmeasim_receiver.py PATH`.

It stands still unless it is moved. Commands come on stdin, one a line, each answered by "ok": `move LATITUDE
LONGITUDE`, `fix QUALITY` (0: none), `satellites N`.
"""

import sys
from datetime import UTC, datetime

import serial
from nmeasim.constants import FixType
from nmeasim.models import GpsReceiver
from nmeasim.simulator import Simulator

BAUD = 9600
LATITUDE, LONGITUDE, ALTITUDE_M = 43.8868, 125.3245, 212.0
# Its own default is a second.
INTERVAL_S = 0.7


def main(path):
    receiver = GpsReceiver(
        output=("GGA", "RMC", "GSA"),
        lat=LATITUDE,
        lon=LONGITUDE,
        altitude=ALTITUDE_M,
        hdop=1.1,
        num_sats=9,
        kph=0.0,
        heading=0.0,
        date_time=datetime.now(UTC),
    )
    # Without a variation 1.1.1 sets the heading to nothing and fails.
    simulator = Simulator(gps=receiver, heading_variation=1)
    simulator.interval = INTERVAL_S
    with serial.Serial(path, BAUD) as port:
        simulator.serve(output=port, blocking=False)
        print("ready", flush=True)
        for line in sys.stdin:
            with simulator.lock:
                match line.split():
                    case ["move", latitude, longitude]:
                        receiver.lat, receiver.lon = float(latitude), float(longitude)
                    case ["fix", quality]:
                        receiver.fix = FixType(quality)
                    case ["satellites", count]:
                        receiver.num_sats = int(count)
            print("ok", flush=True)
        simulator.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Opens a TUN device, which Node cannot: each packet from and to it goes over stdout and stdin behind its length."""

import fcntl
import os
import struct
import subprocess
import sys
import threading

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000


def read_exactly(size):
    data = b""
    while len(data) < size:
        more = os.read(0, size - len(data))
        if not more:
            # The relay is gone: the device and, with this process, its name space go too.
            os._exit(0)
        data += more
    return data


def into_device(device):
    while True:
        (size,) = struct.unpack("!H", read_exactly(2))
        packet = read_exactly(size)
        try:
            os.write(device, packet)
        except OSError:
            # Half a packet, for example: the kernel refuses it, as it would drop it from a wire.
            pass


name, own, other, congestion = (*sys.argv[1:5], "")[:4]
os.environ["PATH"] += ":/usr/sbin:/sbin"
device = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
for command in (
    ["link", "set", "lo", "up"],
    ["addr", "add", own, "peer", other, "dev", name],
    ["link", "set", name, "up"],
    *([["route", "replace", other, "dev", name, "src", own, "congctl", congestion]] if congestion else []),
):
    subprocess.run(["ip", *command], check=True)
# An empty frame says that it is ready.
os.write(1, b"\0\0")
threading.Thread(target=into_device, args=(device,), daemon=True).start()
while True:
    packet = os.read(device, 65535)
    frame = struct.pack("!H", len(packet)) + packet
    while frame:
        frame = frame[os.write(1, frame) :]

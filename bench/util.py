# SPDX-License-Identifier: GPL-2.0-only
"""What the bench's parts share: commands, and a way to fail."""
import os
import subprocess
import sys
import time

START = time.monotonic()


class Failed(Exception):
    """Something the bench needs did not work."""


def say(text):
    """A line of progress."""
    print(f"[{time.monotonic() - START:4.0f} s] {text}", flush=True)


def die(text):
    print(f"bench: {text}", file=sys.stderr)
    sys.exit(1)


def sh(*argv, data=None):
    """Run a command, return what it printed."""
    p = subprocess.run([str(a) for a in argv], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       check=False)
    if p.returncode:
        raise Failed(f"{' '.join(map(str, argv))}: exit code {p.returncode}: "
                     f"{p.stderr.decode(errors='replace').strip()[-600:]}")
    return p.stdout.decode(errors="replace")


def sysfs(dev):
    """Where the kernel tells of a block device. Without udev its node is no link that has its name."""
    n = os.stat(dev).st_rdev
    return f"/sys/dev/block/{os.major(n)}:{os.minor(n)}"


def sectors(dev):
    """Size of a block device in 512-byte sectors."""
    with open(f"{sysfs(dev)}/size", encoding="ascii") as f:
        return int(f.read())

# SPDX-License-Identifier: GPL-2.0-only
"""The rivals: each sets up a block device over its own region of the backing one.

All have crypto sectors of 4096 bytes, AES with 256-bit keys, and the defaults of the tools that set them up.
"""
import os

from util import Failed, sectors, sh

KEYS = "/run/inocrypt-bench"


def key_file(name, size=32):
    os.makedirs(KEYS, mode=0o700, exist_ok=True)
    path = f"{KEYS}/{name}"
    if not os.path.exists(path):
        with open(path, "wb") as f:
            f.write(os.urandom(size))
    return path


def key_hex(name, size):
    with open(key_file(name, size), "rb") as f:
        return f.read().hex()


class Rival:
    """One rival over `lower`; `dev` is what the work goes to. The plain one is the bare device."""

    what = "raw device"

    def __init__(self, name, lower, side=None):
        self.name, self.lower, self.side = name, lower, side
        self.dm = f"bench-{name}"
        self.dev = lower

    def format(self):
        pass

    def open(self):
        pass

    def settle(self):
        """Have what was put off written: the cost of a work is known only then."""

    def close(self):
        pass

    def setup(self):
        self.format()
        self.open()

    def status(self):
        return {}


class Xts(Rival):
    what = "dm-crypt aes-xts"

    def open(self):
        table = (f"0 {sectors(self.lower)} crypt aes-xts-plain64 {key_hex('xts', 64)} 0 {self.lower} 0 "
                 "1 sector_size:4096")
        sh("dmsetup", "create", self.dm, "--table", table)
        self.dev = f"/dev/mapper/{self.dm}"

    def close(self):
        sh("dmsetup", "remove", "--retry", self.dm)


class Gcm(Rival):
    """As `cryptsetup luksFormat --integrity aead` makes it."""
    what = "dm-crypt gcm(aes) + dm-integrity, journal"
    flags = ()

    def format(self, wipe=False):
        # Else every sector reads as an error until it is written.
        fast = () if wipe else ("--integrity-no-wipe",)
        sh("cryptsetup", "-q", "luksFormat", "--type", "luks2", "--cipher", "aes-gcm-random", "--integrity", "aead",
           "--sector-size", 4096, *fast, "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", 1000,
           "--key-file", key_file("luks"), self.lower)

    def open(self):
        sh("cryptsetup", "open", *self.flags, "--key-file", key_file("luks"), self.lower, self.dm)
        self.dev = f"/dev/mapper/{self.dm}"
        self.below = f"{self.dm}_dif"

    def settle(self):
        sh("dmsetup", "suspend", "--nolockfs", self.dm)
        sh("dmsetup", "suspend", "--nolockfs", self.below)
        sh("dmsetup", "resume", self.below)
        sh("dmsetup", "resume", self.dm)

    def close(self):
        sh("cryptsetup", "close", self.dm)


class GcmNoJournal(Gcm):
    what = "the same without a journal"
    flags = ("--integrity-no-journal",)


class Bitmap(Gcm):
    """Bitmap mode exists only with dm-integrity's own tags, under a dm-crypt without any."""
    what = "dm-crypt aes-xts on dm-integrity hmac(sha256), bitmap"
    args = ("--integrity", "hmac-sha256", "--integrity-key-size", 32, "--integrity-bitmap-mode")

    def __init__(self, name, lower, side=None):
        super().__init__(name, lower, side)
        self.below = f"{self.dm}-int"

    def format(self, wipe=False):
        sh("integritysetup", "-q", "format", *self.args, "--no-wipe", "--tag-size", 32, "--sector-size", 4096,
           "--integrity-key-file", key_file("hmac"), self.lower)

    def open(self):
        sh("integritysetup", "open", *self.args, "--integrity-key-file", key_file("hmac"), self.lower, self.below)
        below = f"/dev/mapper/{self.below}"
        sh("dmsetup", "create", self.dm, "--table",
           f"0 {sectors(below)} crypt aes-xts-plain64 {key_hex('xts', 64)} 0 {below} 0 1 sector_size:4096")
        self.dev = f"/dev/mapper/{self.dm}"

    def close(self):
        sh("dmsetup", "remove", "--retry", self.dm)
        sh("integritysetup", "close", self.below)


class Inocrypt(Rival):
    what = "inocrypt"
    open_args = ()

    def sidecar(self):
        return ("--sidecar", self.side) if self.side else ()

    def format(self):
        sh("inocrypt", "format", "--yes", "--force", "--volume-key-file", key_file("volume"), *self.sidecar(),
           self.lower)

    def open(self):
        sh("inocrypt", "open", "--volume-key-file", key_file("volume"), "--anchor", "none", *self.sidecar(),
           *self.open_args, self.lower, self.dm)
        self.dev = f"/dev/mapper/{self.dm}"

    def settle(self):
        sh("dmsetup", "message", self.dm, 0, "checkpoint")

    def close(self):
        sh("inocrypt", "close", self.dm)

    def status(self):
        words = sh("dmsetup", "status", self.dm).split()
        return dict(w.split("=", 1) for w in words if "=" in w)

    def judge(self):
        """No counter may say that something went wrong."""
        s = self.status()
        for f in "bios_malformed", "auth_failures", "node_auth_failures", "io_errors":
            if int(s[f]):
                raise Failed(f"{self.dm}: {f} is {s[f]}")


RIVALS = {
    "raw": Rival, "xts": Xts, "gcm-journal": Gcm, "gcm-nojournal": GcmNoJournal, "hmac-bitmap": Bitmap,
    # The bare device again, for ext4 that encrypts by itself.
    "fscrypt": Rival, "inocrypt": Inocrypt,
}


class Regions:
    """Equal parts of the backing device, so that all rivals are on the same kind of place."""

    def __init__(self, backing, mib):
        self.backing, self.mib, self.names = backing, mib, []

    def new(self):
        name = f"bench-region{len(self.names)}"
        at, size = len(self.names) * self.mib * 2048, self.mib * 2048
        if at + size > sectors(self.backing):
            raise Failed(f"{self.backing} is too small: {len(self.names) + 1} regions of {self.mib} MiB are needed")
        sh("dmsetup", "create", name, "--table", f"0 {size} linear {self.backing} {at}")
        self.names.append(name)
        return f"/dev/mapper/{name}"

    def close(self):
        for name in reversed(self.names):
            sh("dmsetup", "remove", "--retry", name)
        self.names = []


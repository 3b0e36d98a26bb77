# SPDX-License-Identifier: GPL-2.0-only
"""fscrypt's two ioctls that the bench needs, so that it needs no tool for them."""
import fcntl
import os
import struct

FS_IOC_ADD_ENCRYPTION_KEY = 0xC0506617
FS_IOC_SET_ENCRYPTION_POLICY = 0x800C6613
SPEC_IDENTIFIER = 2
AES_256_XTS, AES_256_CTS, PAD_32 = 1, 4, 3


def on(path, request, arg):
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, request, arg)
    finally:
        os.close(fd)


def add_key(mount):
    """Give the mounted file system a new key; its identifier."""
    arg = bytearray(struct.pack("<II32sII32x64s", SPEC_IDENTIFIER, 0, bytes(32), 64, 0, os.urandom(64)))
    on(mount, FS_IOC_ADD_ENCRYPTION_KEY, arg)
    return bytes(arg[8:24])


def set_policy(path, identifier):
    """Put an empty directory under a key."""
    on(path, FS_IOC_SET_ENCRYPTION_POLICY,
       bytearray(struct.pack("<BBBB4x16s", 2, AES_256_XTS, AES_256_CTS, PAD_32, identifier)))

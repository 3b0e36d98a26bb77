/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The calls that the linker (--wrap) sends to the test instead.
 */
#ifndef WRAP_H
#define WRAP_H

int __wrap_ioctl(int fd, unsigned long request, void *arg);
int __real_linkat(int from, const char *old, int to, const char *new,
		  int flags);
int __wrap_linkat(int from, const char *old, int to, const char *new,
		  int flags);

bool __wrap_volume_mount_uuid(const struct volume_mount *m, u8 *uuid);
int __wrap_ic_derive_key_id(const u8 *mk, const u8 *uuid, u8 *id);

#endif /* WRAP_H */

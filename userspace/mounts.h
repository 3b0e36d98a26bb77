/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which inocrypt volumes are mounted, and where.
 */
#ifndef IC_MOUNTS_H
#define IC_MOUNTS_H

#include <sys/types.h>

/**
 * struct volume_mount - a mounted inocrypt volume
 * @path: where the root of its file system is mounted
 * @fd: that directory, good for ioctls; -1 in a list
 * @dev: as stat(2) says of all its files
 */
struct volume_mount {
	char	*path;
	int	fd;
	dev_t	dev;
};

/* What ENXIO of its ioctls means. */
#define MOUNT_INSIDE \
	"%s: for files with keys the file system must begin at the volume's first sector; this one begins further in (LVM, md, a partition)"

int volume_mount_list(struct volume_mount **list, size_t *n);
void volume_mount_list_free(struct volume_mount *list, size_t n);
int volume_mount_find(struct volume_mount *m, const char *path);
void volume_mount_put(struct volume_mount *m);
bool volume_mount_uuid(const struct volume_mount *m, u8 uuid[IC_UUID_SIZE]);

#endif /* IC_MOUNTS_H */

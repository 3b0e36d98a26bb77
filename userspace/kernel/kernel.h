/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is asked of the running kernel: device-mapper devices, keys, modules,
 * mounts.
 */
#ifndef IC_KERNEL_H
#define IC_KERNEL_H

#include <keyutils.h>
#include <sys/types.h>

#include "base/base.h"

#define TARGET_NAME	"inocrypt"
#define DM_UUID_PREFIX	"INOCRYPT-"

/* dm.c */

/**
 * struct dm_volume - what device-mapper says of an open volume
 * @name: device-mapper name
 * @uuid: of the volume, if @has_uuid
 * @snapshot: it may be another one's of the same UUID: what is kept for that, the
 *	anchor, is none of its business
 * @sectors: length in 512-byte sectors
 * @table: parameters of the table line
 * @status: status line
 */
struct dm_volume {
	const char	*name;
	u8		uuid[IC_UUID_SIZE];
	bool		has_uuid;
	bool		readonly;
	bool		snapshot;
	int		open_count;
	unsigned int	major, minor;
	u64	sectors;
	char		*table;
	char		*status;
};

const char *dm_plain_name(const char *name);
int dm_volume_get(struct dm_volume *v, const char *name);
void dm_volume_put(struct dm_volume *v);
int dm_need_target(void);
int dm_volume_create(const char *name, const u8 uuid[IC_UUID_SIZE],
		     u64 sectors, const char *table, bool readonly,
		     const char *snapshot);
int dm_volume_remove(const char *name);

/**
 * struct dm_event - what device-mapper tells without asking the target
 * @nr: number of the last event; the target raises one at each checkpoint
 */
struct dm_event {
	u32	nr;
	int	open_count;
	bool	suspended;
};

int dm_volume_event(const char *name, const u32 *after, struct dm_event *ev);
bool dm_volume_in_use(const char *name);
int dm_volume_suspend(const char *name);
int dm_volume_resume(const char *name);
int dm_volume_lock_out(const char *name, u64 sectors);
void dm_volume_warn(const struct dm_volume *v);
bool dm_status_field(const struct dm_volume *v, const char *field, char *out,
		     size_t size);
int dm_volume_message(const char *name, const char *message, char **answer);

/* keyring.c */
key_serial_t keyring_add(const char *desc, const u8 key[IC_KEY_SIZE]);
void keyring_remove(key_serial_t key);

/* modules.c: are our kernel modules there, and if not, what is in the way? */

#define MODULE_WHY_SIZE	1024

extern const char *modules_root;

void modules_target_trouble(const char *said, char why[MODULE_WHY_SIZE]);
bool modules_ext4_trouble(char why[MODULE_WHY_SIZE]);
int modules_nothing_mounted(int code);
int modules_not_on_volume(int code, const char *path);

/* mounts.c: which inocrypt volumes are mounted, and where. */

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

#endif /* IC_KERNEL_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /etc/inocrypttab: the volumes that are opened by their names, at boot or with
 * inocrypt attach.  inocrypttab(5) describes it.
 */
#ifndef IC_BOOT_H
#define IC_BOOT_H

#include <limits.h>

#include "base/base.h"

#define INOCRYPTTAB		"/etc/inocrypttab"
#define INOCRYPTTAB_ENV		"INOCRYPTTAB"
#define INOCRYPTTAB_MAX_SIZE	1048576		/* bytes of the file */
#define INOCRYPTTAB_MAX_ENTRIES	1024
#define INOCRYPTTAB_NAME_MAX	100	/* device-mapper takes a few more */
#define INOCRYPTTAB_NO_TIMEOUT	UINT32_MAX

/**
 * struct inocrypttab_entry - one line
 * @line: its number, from 1
 * @name: below /dev/mapper
 * @device: an absolute path, or a tag (UUID=...) as it stands
 * @sidecar: likewise, NULL if it is on @device
 * @key_file: absolute path, NULL to ask for a passphrase
 * @anchor: as for inocrypt open, NULL for the usual place
 * @cache_bytes: 0 for the usual size
 * @key_size: bytes of the key file to read, 0 for all
 * @key_offset: where in the key file to begin
 * @tries: how often to ask for a passphrase, 0 for the usual number
 * @timeout: seconds to wait for one, or INOCRYPTTAB_NO_TIMEOUT
 * @device_timeout: seconds systemd waits for the devices, likewise; 0: as usual
 */
struct inocrypttab_entry {
	unsigned int	line;
	char		*name, *device, *sidecar, *key_file, *anchor;
	u64		cache_bytes, key_size, key_offset;
	u32		tries, timeout, device_timeout;
	bool		readonly, discard, noauto, nofail, netdev, volume_key,
			anchor_watch, fsck;
};

/**
 * struct inocrypttab - all of the file that can be used
 * @bad: lines that can't; each was reported
 */
struct inocrypttab {
	struct inocrypttab_entry *entry;
	size_t		count;
	unsigned int	bad;
};

/* Told what is wrong with a line. */
typedef void (*inocrypttab_report)(unsigned int line, const char *why);

bool volume_name_valid(const char *name);
int inocrypttab_parse(struct inocrypttab *tab, const char *text, size_t len,
		      inocrypttab_report report);
int inocrypttab_read(struct inocrypttab *tab, const char *path,
		     inocrypttab_report report);
const char *inocrypttab_path(void);
const struct inocrypttab_entry *
inocrypttab_find(const struct inocrypttab *tab, const char *name);
void inocrypttab_free(struct inocrypttab *tab);
bool inocrypttab_node(const char *device, char *out, size_t size);

#endif /* IC_BOOT_H */

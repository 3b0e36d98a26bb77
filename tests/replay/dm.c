// SPDX-License-Identifier: GPL-2.0-only
/*
 * replay: the volume's table, and its keys.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <keyutils.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "replay.h"

#define KEY_SIZE	32

/* The volume's table line, taken apart; and its keys' descriptions */
static struct {
	bool plain;		/* no volume: the file system on the bare device */
	uint64_t sectors, data_offset, side_offset;
	char desc[128], options[200];
} volume;

static void add_key_file(const char *desc, const char *path)
{
	uint8_t key[KEY_SIZE];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, key, sizeof(key)) != sizeof(key))
		die("%s: no key", path);
	close(fd);
	if (add_key("logon", desc, key, sizeof(key),
		    KEY_SPEC_PROCESS_KEYRING) < 0)
		die("keyring: %s", strerror(errno));
}

/**
 * volume_prepare() - read the table line, put the keys where the target finds
 *	them
 */
void volume_prepare(void)
{
	char line[512] = "", desc[32], type[20] = "";
	FILE *f = fopen(opt.table, "r");

	if (!f || !fgets(line, sizeof(line), f))
		die("%s: no table line", opt.table);
	fclose(f);
	line[strcspn(line, "\n")] = 0;
	if (sscanf(line, "%*u %" SCNu64 " %19s", &volume.sectors, type) < 2)
		die("%s: no table line: %s", opt.table, line);
	volume.plain = !strcmp(type, "linear");
	if (volume.plain)
		return;
	if (sscanf(line, "%*u %*u inocrypt %*s %" SCNu64 " %*s %" SCNu64
		   " %127s%199[^\n]", &volume.data_offset,
		   &volume.side_offset, volume.desc, volume.options) < 3)
		die("%s: no table line of inocrypt: %s", opt.table, line);
	if (!opt.volume_key)
		die("--volume-key is needed");
	/* :32:logon:inocrypt:... */
	if (strncmp(volume.desc, ":32:logon:", 10))
		die("%s: key %s", opt.table, volume.desc);
	add_key_file(volume.desc + 10, opt.volume_key);
	for (unsigned int i = 0; i < opt.nkeys; i++) {
		snprintf(desc, sizeof(desc), "inocrypt:replay%u", i);
		add_key_file(desc, opt.keys[i]);
	}
}

/**
 * dm_lower_sector() - where the volume's device keeps a byte of the volume
 * @offset: byte
 *
 * Return: 512-byte sector.
 */
uint64_t dm_lower_sector(uint64_t offset)
{
	return offset / 512 + volume.data_offset;
}

/**
 * volume_open() - make the volume available
 * @name: under this name
 * @dev: its device
 *
 * Return: NULL, or a message.
 */
const char *volume_open(const char *name, const char *dev)
{
	char params[512], message[80];
	struct stat st;
	const char *bad;

	if (stat(dev, &st))
		die("%s: %s", dev, strerror(errno));
	if (volume.plain) {
		snprintf(params, sizeof(params), "%u:%u 0", major(st.st_rdev),
			 minor(st.st_rdev));
		return dm_make(name, volume.sectors, "linear", params,
			       false);
	}
	snprintf(params, sizeof(params),
		 "%u:%u %" PRIu64 " %u:%u %" PRIu64 " %s%s",
		 major(st.st_rdev), minor(st.st_rdev), volume.data_offset,
		 major(st.st_rdev), minor(st.st_rdev), volume.side_offset,
		 volume.desc, volume.options);
	bad = dm_make(name, volume.sectors, "inocrypt", params,
		      false);
	for (unsigned int i = 0; !bad && i < opt.nkeys; i++) {
		snprintf(message, sizeof(message),
			 "key add :%u:logon:inocrypt:replay%u", KEY_SIZE, i);
		dm_send(name, message);
	}
	return bad;
}

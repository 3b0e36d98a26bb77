// SPDX-License-Identifier: GPL-2.0-only
/*
 * A LUKS2 header that can't be loaded is seldom gone: a partition table lies
 * over its first copy, or wipefs, mkswap or an installer has wiped its magic.
 * What may help is tried on a copy in memory, and said if it does help; nothing
 * on the device is changed.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <libcryptsetup.h>

#include "header/luks_lost.h"

#define MAGIC_SIZE	6
#define VERSION_AT	6
#define SIZE_AT		8

/* As cryptsetup's specification says: where a second copy may begin. */
static const u32 sizes[] = {
	0x4000, 0x8000, 0x10000, 0x20000, 0x40000, 0x80000, 0x100000,
	0x200000, 0x400000,
};

/**
 * luks_copy_size() - how large a header says that its copies are
 * @fd: what holds it
 * @at: where a copy begins
 *
 * Return: bytes, 0 if there is no such header; of its magic nothing is asked.
 */
u64 luks_copy_size(int fd, u64 at)
{
	u8 start[SIZE_AT + 8];
	u64 size;

	if (pread(fd, start, sizeof(start), at) != sizeof(start) ||
	    start[VERSION_AT] || start[VERSION_AT + 1] != 2)
		return 0;
	memcpy(&size, start + SIZE_AT, sizeof(size));
	size = be64toh(size);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		if (size == sizes[i])
			return size;
	return 0;
}

static void log_nothing(int level, const char *msg, void *unused)
{
	(void)level;
	(void)msg;
	(void)unused;
}

/*
 * Is there a header that cryptsetup repair would find, and bring in order?  It
 * says that the device is too small when it has, as our data has no place.
 */
static bool repairs(int fd)
{
	struct crypt_device *cd = NULL;
	char path[32];
	bool ok = false;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (int pass = 0; pass < 2; pass++) {
		if (crypt_init(&cd, path))
			return false;
		crypt_set_log_callback(cd, log_nothing, NULL);
		if (!pass)
			crypt_repair(cd, CRYPT_LUKS2, NULL);
		else
			ok = !crypt_load(cd, CRYPT_LUKS2, NULL);
		crypt_free(cd);
	}
	return ok;
}

/* Would there be a header if the magic at @at, which is wiped, were there? */
static bool lacks_magic(int fd, u64 at, const char magic[MAGIC_SIZE + 1])
{
	u8 is[MAGIC_SIZE], wiped[MAGIC_SIZE] = { 0 };
	u64 size = luks_copy_size(fd, at);
	bool ok = false;
	int copy;

	/* A second copy is as far from the first as that is long. */
	if (!size || (at && size != at) ||
	    pread(fd, is, sizeof(is), at) != sizeof(is) ||
	    memcmp(is, wiped, sizeof(is)))
		return false;
	copy = luks_copy_header(fd);
	if (copy < 0)
		return false;
	if (pwrite(copy, magic, MAGIC_SIZE, at) == MAGIC_SIZE)
		ok = repairs(copy);
	close(copy);
	return ok;
}

/**
 * luks_explain_lost() - why is there no header, if there might be one?
 * @fd: the device or file, which is only read
 * @path: what to call it
 *
 * Return: true after a message that says what happened, and what helps.
 */
bool luks_explain_lost(int fd, const char *path)
{
	static const char first[] = "LUKS\xba\xbe", second[] = "SKUL\xba\xbe";
	const char *word = shown_path(path);
	bool ok = false;
	int copy;

	copy = luks_copy_header(fd);
	if (copy >= 0) {
		ok = repairs(copy);
		close(copy);
	}
	if (ok) {
		fail(0,
		     "%s: another signature (a partition table, a file system, swap) lies over one copy of its LUKS2 header; the other one is whole, and brings it back in place of that signature (that the device is \"too small\" is of no matter then): cryptsetup repair %s",
		     path, word);
		return true;
	}
	if (lacks_magic(fd, 0, first)) {
		fail(0,
		     "%s: the magic of its LUKS2 header was wiped, as wipefs does it; the rest is there, this puts it back: echo 4C554B53BABE | basenc -d --base16 | dd of=%s conv=notrunc",
		     path, word);
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		if (!lacks_magic(fd, sizes[i], second))
			continue;
		fail(0,
		     "%s: the first copy of its LUKS2 header was overwritten and the magic of the second one wiped, as mkswap or mkfs does it; the rest is there, this puts it back (that the device is \"too small\" is of no matter then): echo 534B554CBABE | basenc -d --base16 | dd of=%s bs=1 seek=%u conv=notrunc && cryptsetup repair %s",
		     path, word, sizes[i], word);
		return true;
	}
	return false;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The freshness anchor: what was last seen of a volume, kept outside it, so
 * that an older or another state of its devices is noticed.
 */
#ifndef IC_ANCHOR_H
#define IC_ANCHOR_H

#include <limits.h>

#include "kernel/kernel.h"

#define ANCHOR_DIR	"/var/lib/inocrypt/anchors"
#define ANCHOR_DIR_ENV	"INOCRYPT_ANCHOR_DIR"
#define ANCHOR_MAGIC	"inoanchr"
#define ANCHOR_VERSION	1
#define ANCHOR_MAC_SIZE	32
#define ANCHOR_TIME_SIZE 32

/**
 * struct anchor_file - an anchor as it is on the disk; docs/format.md has it
 */
struct anchor_file {
	u8	magic[8];
	__le32	version;
	__le32	flags;			/* 0 */
	u8	uuid[IC_UUID_SIZE];
	__le64	epoch;
	__le64	written;		/* seconds since 1970, to tell people */
	u8	super_tag[IC_TAG_SIZE];
	u8	reserved[32];		/* 0 */
	u8	mac[ANCHOR_MAC_SIZE];	/* of all before it */
};

static_assert(sizeof(struct anchor_file) == 128, "on disk");

/**
 * struct anchor_state - one committed state of a volume
 * @epoch: the superblock's
 * @written: when an anchor of it was written, 0 if it isn't from one
 * @super_tag: the superblock's own tag, which names that very writing of it
 */
struct anchor_state {
	u64	epoch;
	u64	written;
	u8	super_tag[IC_TAG_SIZE];
};

/* How a state of the volume relates to the anchor's. */
enum anchor_relation {
	ANCHOR_SAME,
	ANCHOR_NEWER,
	ANCHOR_OLDER,
	ANCHOR_FORKED,
};

/* anchor_format.c */
int anchor_seal(struct anchor_file *f, const u8 key[IC_KEY_SIZE],
		const u8 uuid[IC_UUID_SIZE],
		const struct anchor_state *state);
int anchor_parse(const void *buf, size_t len, const u8 key[IC_KEY_SIZE],
		 const u8 uuid[IC_UUID_SIZE], struct anchor_state *state,
		 const char **why);
bool anchor_fields(const void *buf, size_t len, u8 uuid[IC_UUID_SIZE],
		   struct anchor_state *state, const char **why);
bool anchor_is_of(const void *buf, size_t len,
		  const u8 uuid[IC_UUID_SIZE]);
enum anchor_relation anchor_relate(const struct anchor_state *seen,
				   const struct anchor_state *now);

/**
 * struct anchor - where a volume's anchor is, and the key to read it with
 * @path: absolute; empty if none is kept
 * @make_dir: its directory is the usual one, and is made if it is missing
 * @uuid: the volume's
 * @key: derived from the volume key
 * @record: key in the keyring that it was recalled from
 * @found: there is a valid one, @seen
 */
struct anchor {
	char			path[PATH_MAX];
	bool			make_dir;
	u8			uuid[IC_UUID_SIZE];
	u8			key[IC_KEY_SIZE];
	key_serial_t		record;
	bool			found;
	struct anchor_state	seen;
};

/**
 * struct anchor_lock - who has it may replace an anchor
 * @dir: the anchor's directory
 * @fd: a file in it that is locked
 */
struct anchor_lock {
	int	dir, fd;
};

/* anchor_file.c */
#define ANCHOR_READ_SIZE (sizeof(struct anchor_file) + 1)
int anchor_locate(struct anchor *a, const char *where);
int anchor_read(struct anchor *a);
int anchor_read_raw(const char *path, u8 *buf, size_t *len);
int anchor_writable(const struct anchor *a);
int anchor_replaceable(const struct anchor *a);
int anchor_lock(const struct anchor *a, struct anchor_lock *lock);
void anchor_unlock(struct anchor_lock *lock);
int anchor_write(struct anchor *a, const struct anchor_lock *lock,
		 const struct anchor_state *now, bool force);

/* anchor.c */
int anchor_derive(struct anchor *a, const u8 vk[IC_KEY_SIZE],
		  const u8 uuid[IC_UUID_SIZE]);
int anchor_judge(const struct anchor *a, const struct anchor_state *now,
		 const char *what);
void anchor_time(u64 written, char out[ANCHOR_TIME_SIZE]);
int anchor_begin(struct anchor *a, const struct anchor_state *disk,
		 const char *dev, bool accept, bool readonly);
int anchor_opened(struct anchor *a, const char *name, bool accept,
		  bool readonly);
int anchor_recall(struct anchor *a, const u8 uuid[IC_UUID_SIZE]);
void anchor_forget(const struct anchor *a);
int anchor_update(struct anchor *a, const struct anchor_lock *lock,
		  const char *name);
int anchor_refresh(const char *name, bool needed);
void anchor_wipe(struct anchor *a);

#endif /* IC_ANCHOR_H */

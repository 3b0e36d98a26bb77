// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmsetup message: keys, raw mode, checkpoints.  docs/interface.md has them.
 */
#include "keys/owners.h"
#include "checkpoint/checkpoint.h"
#include "dm/dm.h"

#define KEY_PREFIX	":32:logon:"

static int parse_key_id(const char *hex, u8 key_id[IC_KEY_ID_SIZE])
{
	if (strlen(hex) != 2 * IC_KEY_ID_SIZE)
		return -EINVAL;
	return hex2bin(key_id, hex, IC_KEY_ID_SIZE);
}

/*
 * Find the key that is to be added; the caller wipes @raw. This comes before the
 * table is held, so that a suspend doesn't wait for it.
 */
static int find_key(const char *arg, u8 raw[IC_KEY_SIZE])
{
	const char *description;
	int err;

	if (strncmp(arg, KEY_PREFIX, strlen(KEY_PREFIX))) {
		DMERR("key add: give the key as :32:logon:<description>");
		return -EINVAL;
	}
	description = arg + strlen(KEY_PREFIX);
	err = ic_logon_key(description, raw);
	if (err)
		DMERR("key add: no usable 32-byte logon key '%*pE': error %d",
		      (int)strlen(description), description, err);
	return err;
}

static int key_add(struct inocrypt *ic, const u8 raw[IC_KEY_SIZE], char *result,
		   unsigned int maxlen)
{
	/* Messages take CAP_SYS_ADMIN, so the limits for users don't apply. */
	struct bio_owner_key key = { .create = true };
	int err;

	memcpy(key.raw, raw, IC_KEY_SIZE);
	err = ic_key_add(ic, &key);
	memzero_explicit(key.raw, sizeof(key.raw));
	if (err == -ENOSPC)
		DMERR("key add: all %d key slots are taken", IC_KEY_SLOTS);
	if (err)
		return err;
	scnprintf(result, maxlen, "%*phN", IC_KEY_ID_SIZE, key.key_id);
	return 1;
}

static int key_list(struct inocrypt *ic, char *result, unsigned int maxlen)
{
	struct bio_owner_key key = { };
	unsigned int len = 0;

	result[0] = 0;
	for (; !ic_key_next(ic, &key); key.slot++)
		len += scnprintf(result + len, maxlen - len,
				 "%s%*phN slot=%u %s uid=%u", len ? "\n" : "",
				 IC_KEY_ID_SIZE, key.key_id, key.slot,
				 key.loaded ? "loaded" : "absent", key.uid);
	return 1;
}

/*
 * Remove or delete a key. The caller holds the table; deleting releases it, and
 * then clears @held.
 */
static int key_message(struct inocrypt *ic, unsigned int argc, char **argv,
		       bool *held)
{
	u8 key_id[IC_KEY_ID_SIZE];
	bool remove, delete;

	lockdep_assert_held_read(&ic->vol->ops_sem);
	remove = argc == 3 && !strcasecmp(argv[1], "remove");
	delete = argc == 3 && !strcasecmp(argv[1], "delete");
	if (!remove && !delete) {
		DMERR("message 'key' takes add :32:logon:<description>, remove|delete <id>, list");
		return -EINVAL;
	}
	if (parse_key_id(argv[2], key_id)) {
		DMERR("key %s: a key id is %d hex digits", argv[1],
		      2 * IC_KEY_ID_SIZE);
		return -EINVAL;
	}
	if (remove)
		return ic_key_remove(ic, key_id);
	*held = false;
	return ic_key_delete(ic->vol, ic, key_id);
}

static int raw_message(struct inocrypt *ic, const char *arg)
{
	int err;

	if (strcasecmp(arg, "on") && strcasecmp(arg, "off")) {
		DMERR("message 'raw' takes on or off");
		return -EINVAL;
	}
	err = ic_volume_set_raw(ic->vol, !strcasecmp(arg, "on"));
	if (err == -EBUSY)
		DMERR("raw on: a file system is mounted on the volume");
	return err;
}

static int owner_message(struct inocrypt *ic, const char *arg, char *result,
			 unsigned int maxlen)
{
	u32 ino, found, gen;
	int err;

	if (kstrtou32(arg, 10, &ino))
		return -EINVAL;
	found = ino;
	/*
	 * It is enough to look into one leaf: the record is in there, or
	 * nowhere.
	 */
	err = ic_owner_next(ic, &found, &gen);
	if (err > 0 || (!err && found != ino))
		err = -ENOENT;
	if (err)
		return err;
	scnprintf(result, maxlen, "ino=%u gen=%u", ino, gen);
	return 1;
}

static int checkpoint_message(struct inocrypt *ic)
{
	int err;

	if (ic->read_only)
		return -EROFS;
	err = ic_checkpoint_sync(ic);
	if (err)
		DMERR("%s: checkpoint failed", dm_device_name(ic->vol->md));
	return err;
}

/*
 * Look at all owner records, holding the table for one leaf at a time, and wait
 * for erasures. @held says whether the table is still held on return.
 */
static int erase_message(struct inocrypt *ic, bool *held)
{
	u64 table = ic->nr;
	int err;

	lockdep_assert_held_read(&ic->vol->ops_sem);
	while ((err = ic_erase_look(ic)) > 0) {
		ic_volume_release(ic->vol);
		*held = ic_volume_hold_again(ic->vol, ic, table);
		if (!*held || READ_ONCE(ic->suspending))
			return -EAGAIN;
	}
	return err ? err : ic_erase_sync(ic);
}

static bool is(const char *word, const char *what)
{
	return !strcasecmp(word, what);
}

/* @raw: the key to add, if there is one. */
static int dispatch(struct inocrypt *ic, unsigned int argc, char **argv,
		    const u8 *raw, char *result, unsigned int maxlen,
		    bool *held)
{
	if (raw)
		return key_add(ic, raw, result, maxlen);
	if (argc == 2 && is(argv[0], "key") && is(argv[1], "list"))
		return key_list(ic, result, maxlen);
	if (argc >= 2 && is(argv[0], "key"))
		return key_message(ic, argc, argv, held);
	if (argc == 2 && is(argv[0], "raw"))
		return raw_message(ic, argv[1]);
	if (argc == 2 && is(argv[0], "owner"))
		return owner_message(ic, argv[1], result, maxlen);
	if (argc == 1 && is(argv[0], "erase"))
		return erase_message(ic, held);
	if (argc == 1 && is(argv[0], "checkpoint"))
		return checkpoint_message(ic);
	DMERR("unknown message '%*pE'; there are key, raw, owner, checkpoint and erase",
	      argc ? (int)strlen(argv[0]) : 0, argc ? argv[0] : "");
	return -EINVAL;
}

/**
 * ic_message() - the target's message method
 * @ti: the target
 * @argc: number of words
 * @argv: the words
 * @result: receives an answer
 * @maxlen: its size in bytes
 *
 * Return: 1 with an answer, 0 without, or a negative errno.
 */
int ic_message(struct dm_target *ti, unsigned int argc, char **argv,
	       char *result, unsigned int maxlen)
{
	struct inocrypt *ic = ti->private;
	bool add = argc == 3 && is(argv[0], "key") && is(argv[1], "add");
	u8 raw[IC_KEY_SIZE];
	bool held;
	int err = 0;

	if (add)
		err = find_key(argv[2], raw);
	if (err)
		return err;
	held = ic_volume_hold(ic->vol, ic);
	if (held) {
		err = dispatch(ic, argc, argv, add ? raw : NULL, result, maxlen,
			       &held);
	} else {
		DMERR("%s: messages need an active, resumed table",
		      dm_device_name(ic->vol->md));
		err = -EAGAIN;
	}
	if (held)
		ic_volume_release(ic->vol);
	memzero_explicit(raw, sizeof(raw));
	return err;
}

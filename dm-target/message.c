// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmsetup message: keys, raw mode, checkpoints.  docs/interface.md has them.
 */
#include "inocrypt.h"

#define KEY_PREFIX	":32:logon:"

static int parse_key_id(const char *hex, u8 key_id[IC_KEY_ID_SIZE])
{
	if (strlen(hex) != 2 * IC_KEY_ID_SIZE)
		return -EINVAL;
	return hex2bin(key_id, hex, IC_KEY_ID_SIZE);
}

static int key_add(struct inocrypt *ic, const char *arg, char *result,
		   unsigned int maxlen)
{
	u8 mk[IC_KEY_SIZE], key_id[IC_KEY_ID_SIZE];
	const char *description;
	int err;

	if (strncmp(arg, KEY_PREFIX, strlen(KEY_PREFIX))) {
		DMERR("key add: give the key as :32:logon:<description>");
		return -EINVAL;
	}
	description = arg + strlen(KEY_PREFIX);
	err = ic_logon_key(description, mk);
	if (err) {
		DMERR("key add: no usable 32-byte logon key '%s': error %d",
		      description, err);
		return err;
	}
	err = ic_derive_key_id(mk, ic->params.uuid, key_id);
	if (!err) {
		err = ic_slot_add(ic, key_id);
		if (err == -ENOSPC)
			DMERR("key add: all %d key slots are taken",
			      IC_KEY_SLOTS);
	}
	if (err >= 0)
		err = ic_volume_add_key(ic->vol, key_id, mk);
	memzero_explicit(mk, sizeof(mk));
	if (err)
		return err;
	scnprintf(result, maxlen, "%*phN", IC_KEY_ID_SIZE, key_id);
	return 1;
}

static int key_list(struct inocrypt *ic, char *result, unsigned int maxlen)
{
	unsigned int len = 0;
	u32 i;

	result[0] = 0;
	mutex_lock(&ic->owner_mutex);
	for (i = 0; i < IC_KEY_SLOTS; i++) {
		if (mem_is_zero(ic->slots[i], IC_KEY_ID_SIZE))
			continue;
		len += scnprintf(result + len, maxlen - len,
				 "%s%*phN slot=%u %s", len ? "\n" : "",
				 IC_KEY_ID_SIZE, ic->slots[i], i,
				 ic_volume_has_key(ic->vol, ic->slots[i]) ?
				 "loaded" : "absent");
	}
	mutex_unlock(&ic->owner_mutex);
	return 1;
}

static int key_message(struct inocrypt *ic, unsigned int argc, char **argv,
		       char *result, unsigned int maxlen)
{
	u8 key_id[IC_KEY_ID_SIZE];

	if (argc == 3 && !strcasecmp(argv[1], "add"))
		return key_add(ic, argv[2], result, maxlen);
	if (argc == 3 && !strcasecmp(argv[1], "remove")) {
		if (parse_key_id(argv[2], key_id)) {
			DMERR("key remove: a key id is %d hex digits",
			      2 * IC_KEY_ID_SIZE);
			return -EINVAL;
		}
		return ic_volume_remove_key(ic->vol, ic, key_id);
	}
	if (argc == 2 && !strcasecmp(argv[1], "list"))
		return key_list(ic, result, maxlen);
	DMERR("message 'key' takes add :32:logon:<description>, remove <key id>, or list");
	return -EINVAL;
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
	err = ic_owner_next(ic, &found, &gen);
	if (!err && found != ino)
		err = -ENOENT;
	if (err)
		return err;
	scnprintf(result, maxlen, "ino=%u gen=%u", ino, gen);
	return 1;
}

static int dispatch(struct inocrypt *ic, unsigned int argc, char **argv,
		    char *result, unsigned int maxlen)
{
	int err;

	if (argc >= 2 && !strcasecmp(argv[0], "key"))
		return key_message(ic, argc, argv, result, maxlen);
	if (argc == 2 && !strcasecmp(argv[0], "raw"))
		return raw_message(ic, argv[1]);
	if (argc == 2 && !strcasecmp(argv[0], "owner"))
		return owner_message(ic, argv[1], result, maxlen);
	if (argc == 1 && !strcasecmp(argv[0], "checkpoint")) {
		if (ic->read_only)
			return -EROFS;
		err = ic_checkpoint_sync(ic);
		if (err)
			DMERR("%s: checkpoint failed",
			      dm_device_name(ic->vol->md));
		return err;
	}
	DMERR("unknown message '%s'; there are key, raw, owner and checkpoint",
	      argc ? argv[0] : "");
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
	int err;

	if (!ic_volume_hold(ic->vol, ic)) {
		DMERR("%s: messages need an active, resumed table",
		      dm_device_name(ic->vol->md));
		return -EAGAIN;
	}
	err = dispatch(ic, argc, argv, result, maxlen);
	ic_volume_release(ic->vol);
	return err;
}

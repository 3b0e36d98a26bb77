// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keeping the anchor: judging a volume by it, and remembering its key while
 * the volume is open.
 *
 * Refreshing an anchor takes its key, which follows from the volume key, which
 * is gone once the volume is open.  So the anchor's key is kept in the kernel,
 * in root's user keyring, until the volume is closed: unlike a file in /run it
 * is never swapped out or copied by a backup, and no container sees it.
 * Processes of user 0 can read it.  It opens nothing; who has it can forge
 * anchors of this volume.
 */
#include <errno.h>
#include <keyutils.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "anchor/anchor.h"

#define RECORD_VERSION	1

/* The payload of the key that is kept in the keyring. */
struct record {
	u8	version;
	u8	key[IC_KEY_SIZE];
	char	path[PATH_MAX];
};

/**
 * anchor_wipe() - forget an anchor's key
 * @a: anchor
 */
void anchor_wipe(struct anchor *a)
{
	explicit_bzero(a->key, sizeof(a->key));
}

/**
 * anchor_derive() - which volume an anchor is for
 * @a: receives uuid and key
 * @vk: volume key
 * @uuid: the volume's
 *
 * Return: 0 or an exit code.
 */
int anchor_derive(struct anchor *a, const u8 vk[IC_KEY_SIZE],
		  const u8 uuid[IC_UUID_SIZE])
{
	memcpy(a->uuid, uuid, IC_UUID_SIZE);
	return ic_derive_volume_key(vk, uuid, IC_LABEL_ANCHOR, a->key) ?
	       fail(EX_FAIL, "libcrypto fails") : 0;
}

/**
 * anchor_time() - when an anchor was written, for people
 * @written: seconds since 1970
 * @out: receives it
 */
void anchor_time(u64 written, char out[ANCHOR_TIME_SIZE])
{
	time_t t = written;
	struct tm tm;

	if (!localtime_r(&t, &tm) ||
	    !strftime(out, ANCHOR_TIME_SIZE, "%Y-%m-%d %H:%M:%S %z", &tm))
		strcpy(out, "an unknown time");
}

/**
 * anchor_judge() - is a state of the volume at least as new as its anchor?
 * @a: anchor
 * @now: the volume's state
 * @what: what that was read from
 *
 * Return: 0, or EX_ROLLBACK after a message.
 */
int anchor_judge(const struct anchor *a, const struct anchor_state *now,
		 const char *what)
{
	char when[ANCHOR_TIME_SIZE];

	if (!a->found)
		return 0;
	anchor_time(a->seen.written, when);
	switch (anchor_relate(&a->seen, now)) {
	case ANCHOR_OLDER:
		return fail(EX_ROLLBACK,
			    "%s is older than it was: it is at epoch %llu, and was at %llu on %s, says %s",
			    what, (unsigned long long)now->epoch,
			    (unsigned long long)a->seen.epoch, when, a->path);
	case ANCHOR_FORKED:
		return fail(EX_ROLLBACK,
			    "%s is a fork: it is at epoch %llu as it was on %s, but that was another state, says %s",
			    what, (unsigned long long)now->epoch, when,
			    a->path);
	default:
		return 0;
	}
}

static void what_to_do(const struct anchor *a)
{
	tell("somebody may have put back an older copy of the device.");
	tell("If it was you (a restored backup, a clone), say --accept-rollback once; with");
	tell("--readonly too, to look at it first and leave device and anchor as they are.");
	tell("If not, look for the newer state: what was written after it is missing here.");
	if (!a->found)
		tell("Without its anchor nobody can tell whether the volume is what it was.");
}

/**
 * anchor_begin() - judge a volume before it is opened
 * @a: located and derived; receives what the anchor says
 * @disk: state that the volume's superblock says
 * @dev: its device
 * @accept: open it whatever the anchor says
 * @readonly: it is opened read-only: nothing is written
 *
 * Return: 0 or an exit code after a message.
 */
int anchor_begin(struct anchor *a, const struct anchor_state *disk,
		 const char *dev, bool accept, bool readonly)
{
	int ret;

	if (!*a->path)
		return 0;
	ret = anchor_read(a);
	if (!ret)
		ret = anchor_judge(a, disk, dev);
	if (ret && !accept) {
		what_to_do(a);
		return ret;
	}
	if (ret)
		warn("opened nevertheless, as --accept-rollback says");
	if (readonly)
		return 0;
	ret = ret ? anchor_replaceable(a) : 0;
	if (ret)
		return ret;
	ret = anchor_writable(a);
	if (ret) {
		tell("say --anchor FILE to keep it elsewhere, or --anchor none to go without:");
		tell("then nobody notices when an older copy of the device is put back.");
	}
	return ret;
}

/* Read a state of the open volume from its status line. */
static int status_state(const struct dm_volume *v, const char *epoch_field,
			const char *tag_field, struct anchor_state *state)
{
	char epoch[24], tag[2 * IC_TAG_SIZE + 1];

	memset(state, 0, sizeof(*state));
	if (dm_status_field(v, epoch_field, epoch, sizeof(epoch)) &&
	    dm_status_field(v, tag_field, tag, sizeof(tag)) &&
	    parse_u64(epoch, &state->epoch) &&
	    parse_hex(tag, state->super_tag, IC_TAG_SIZE)) {
		/* Epochs begin at 1. */
		if (state->epoch)
			return 0;
		return fail(EX_IO,
			    "%s has no state yet: its table is not activated, or could not be (see the kernel log)",
			    v->name);
	}
	return fail(EX_FAIL,
		    "%s: dm-inocrypt.ko doesn't say which superblock it works with (no %s in the status): it is older than this tool",
		    v->name, tag_field);
}

static void record_name(const u8 uuid[IC_UUID_SIZE], char desc[64])
{
	char text[UUID_STR_SIZE];

	uuid_format(uuid, text);
	snprintf(desc, 64, "inocrypt-anchor:%s", text);
}

/*
 * Put the anchor's key and place into root's user keyring, readable by user 0
 * only: not by whoever inherited a session keyring from root ("possesses" it).
 * Changing permissions takes possession first, hence the process keyring.
 */
static int remember(const struct anchor *a)
{
	struct record r = { .version = RECORD_VERSION };
	key_serial_t key;
	char desc[64];
	int ret = 0;

	record_name(a->uuid, desc);
	memcpy(r.key, a->key, sizeof(r.key));
	strcpy(r.path, a->path);
	key = add_key("user", desc, &r,
		      offsetof(struct record, path) + strlen(r.path),
		      KEY_SPEC_PROCESS_KEYRING);
	explicit_bzero(&r, sizeof(r));
	if (key == -1 || keyctl_link(key, KEY_SPEC_USER_KEYRING) ||
	    keyctl_setperm(key, KEY_USR_VIEW | KEY_USR_READ |
			   KEY_USR_SEARCH | KEY_USR_SETATTR))
		ret = fail(EX_FAIL,
			   "can't keep the anchor's key in the user keyring: %s",
			   strerror(errno));
	if (key != -1)
		keyctl_unlink(key, KEY_SPEC_PROCESS_KEYRING);
	return ret;
}

static key_serial_t find_record(const u8 uuid[IC_UUID_SIZE])
{
	char desc[64];

	record_name(uuid, desc);
	return keyctl_search(KEY_SPEC_USER_KEYRING, "user", desc, 0);
}

/**
 * anchor_recall() - find an open volume's anchor
 * @a: receives path, uuid, key and record
 * @uuid: the volume's
 *
 * Return: 0, or EX_NOKEY without a message if none is kept.
 */
int anchor_recall(struct anchor *a, const u8 uuid[IC_UUID_SIZE])
{
	key_serial_t key = find_record(uuid);
	struct record r = { 0 };
	long n;

	if (key == -1)
		return EX_NOKEY;
	memset(a, 0, sizeof(*a));
	n = keyctl_read(key, (char *)&r, sizeof(r) - 1);
	if (n > (long)offsetof(struct record, path) && n < (long)sizeof(r) &&
	    r.version == RECORD_VERSION && r.path[0] == '/') {
		memcpy(a->uuid, uuid, IC_UUID_SIZE);
		memcpy(a->key, r.key, sizeof(r.key));
		strcpy(a->path, r.path);
		a->record = key;
		explicit_bzero(&r, sizeof(r));
		return 0;
	}
	explicit_bzero(&r, sizeof(r));
	return EX_NOKEY;
}

/**
 * anchor_forget() - drop what anchor_recall() found
 * @a: from there
 *
 * By its number: by its name, what was remembered by somebody who has opened
 * the volume again since would go instead.
 */
void anchor_forget(const struct anchor *a)
{
	keyctl_unlink(a->record, KEY_SPEC_USER_KEYRING);
}

static void forget_stale(const u8 uuid[IC_UUID_SIZE])
{
	key_serial_t key = find_record(uuid);

	if (key != -1)
		keyctl_unlink(key, KEY_SPEC_USER_KEYRING);
}

/**
 * anchor_opened() - judge what the kernel opened, then make the anchor say so
 * @a: from anchor_begin()
 * @name: device-mapper name
 * @accept: whatever the anchor says
 * @readonly: leave the anchor as it is
 *
 * What counts is the superblock that the kernel found: the devices may have
 * shown the tool another one.
 *
 * Return: 0, or an exit code after a message; the volume has to be closed then.
 */
int anchor_opened(struct anchor *a, const char *name, bool accept,
		  bool readonly)
{
	struct anchor_lock lock = { -1, -1 };
	struct anchor_state loaded, now;
	struct dm_volume v;
	bool first = !a->found;
	int ret;

	/* An open that ended without a close has left its key behind. */
	forget_stale(a->uuid);
	if (!*a->path)
		return 0;
	if (!readonly) {
		ret = anchor_lock(a, &lock);
		if (ret)
			goto out;
	}
	ret = dm_volume_get(&v, name);
	if (ret)
		goto out;
	ret = status_state(&v, "epoch_loaded", "super_loaded", &loaded);
	if (!ret)
		ret = status_state(&v, "epoch", "super", &now);
	dm_volume_put(&v);
	if (!ret && !accept) {
		ret = anchor_judge(a, &loaded,
				   "what the kernel read from the device");
		if (ret)
			what_to_do(a);
	}
	if (!ret && !readonly) {
		ret = anchor_write(a, &lock, &now, accept);
		if (!ret)
			ret = remember(a);
	}
out:
	anchor_unlock(&lock);
	if (ret)
		return ret;
	if (first && !accept)
		tell("there %s no anchor of this volume yet: taken as it is, at epoch %llu%s%s",
		     readonly ? "is" : "was", (unsigned long long)loaded.epoch,
		     readonly ? "" : "; it is kept in ",
		     readonly ? "" : a->path);
	return 0;
}

/**
 * anchor_update() - make the anchor remember an open volume's last commit
 * @a: from anchor_recall()
 * @lock: from anchor_lock(); what is committed without it may be old by the
 *	time that another process has written the anchor
 * @name: device-mapper name
 *
 * Return: 0 or an exit code after a message.
 */
int anchor_update(struct anchor *a, const struct anchor_lock *lock,
		  const char *name)
{
	struct anchor_state now;
	struct dm_volume v;
	int ret = dm_volume_get(&v, name);

	if (ret)
		return ret;
	if (v.has_uuid && !memcmp(v.uuid, a->uuid, IC_UUID_SIZE))
		ret = status_state(&v, "epoch", "super", &now);
	else
		ret = fail(EX_NOVOLUME, "%s is another volume now", v.name);
	if (!ret)
		ret = anchor_write(a, lock, &now, false);
	dm_volume_put(&v);
	return ret;
}

/**
 * anchor_refresh() - find an open volume's anchor, and update it
 * @name: device-mapper name
 * @needed: it is an error if no anchor is kept
 *
 * Return: 0 or an exit code after a message.
 */
int anchor_refresh(const char *name, bool needed)
{
	struct anchor_lock lock;
	struct anchor a;
	struct dm_volume v;
	int ret = dm_volume_get(&v, name);

	if (ret)
		return ret;
	if (!v.has_uuid || v.snapshot || anchor_recall(&a, v.uuid)) {
		if (needed)
			ret = fail(EX_NOKEY,
				   "no anchor is kept for %s: it was opened read-only, with --anchor none, or by another tool",
				   v.name);
	} else {
		ret = anchor_lock(&a, &lock);
		if (!ret)
			ret = anchor_update(&a, &lock, name);
		anchor_unlock(&lock);
		anchor_wipe(&a);
	}
	dm_volume_put(&v);
	return ret;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The target's parsers of table and message lines, called as device-mapper calls
 * them, and what they call in turn.
 */
#include "dm/dm.h"
#include "checkpoint/checkpoint.h"
#include "keys/owners.h"

#include "fuzz.h"
#include "target.h"

/* How the rest of the target answers, a bit each; from the input. */
static unsigned int answers;

static struct dm_dev devices[2];

int dm_get_device(struct dm_target *ti, const char *path, fmode_t mode,
		  struct dm_dev **result)
{
	struct dm_dev *dev = &devices[devices[0].name[0] ? 1 : 0];

	(void)ti;
	(void)mode;
	if (!*path || *path == '?')
		return -ENOENT;
	strcpy(dev->name, dev == devices ? "7:0" : "7:1");
	*result = dev;
	return 0;
}

bool ic_volume_hold(struct ic_volume *vol, struct inocrypt *ic)
{
	bool held = !(answers & 1);

	(void)ic;
	vol->ops_sem.readers += held;
	return held;
}

void ic_volume_release(struct ic_volume *vol)
{
	lockdep_assert_held_read(&vol->ops_sem);
	vol->ops_sem.readers--;
}

int ic_logon_key(const char *description, u8 key[IC_KEY_SIZE])
{
	DIE_IF(!description);
	memset(key, strlen(description), IC_KEY_SIZE);
	return answers & 2 ? -ENOKEY : 0;
}

int ic_key_add(struct inocrypt *ic, struct bio_owner_key *key)
{
	DIE_IF(!key->create || key->uid);
	memset(key->key_id, key->raw[0], sizeof(key->key_id));
	memcpy(ic->slots[3].key_id, key->key_id, IC_KEY_ID_SIZE);
	return answers & 4 ? -ENOSPC : 0;
}

int ic_key_remove(struct inocrypt *ic, const u8 key_id[IC_KEY_ID_SIZE])
{
	(void)ic;
	DIE_IF(!key_id);
	return answers & 8 ? -ENOKEY : 0;
}

int ic_key_delete(struct ic_volume *vol, struct inocrypt *ic,
		  const u8 key_id[IC_KEY_ID_SIZE])
{
	DIE_IF(!key_id);
	ic_volume_release(vol);
	(void)ic;
	return answers & 8 ? -EBUSY : 0;
}

bool ic_volume_hold_again(struct ic_volume *vol, struct inocrypt *ic, u64 nr)
{
	(void)nr;
	return ic_volume_hold(vol, ic);
}

int ic_erase_look(struct inocrypt *ic)
{
	static int more;

	(void)ic;
	more = !more;
	return answers & 16 ? -EIO : more;
}

int ic_key_next(struct inocrypt *ic, struct bio_owner_key *key)
{
	for (; key->slot < IC_KEY_SLOTS; key->slot++) {
		const u8 *id = ic->slots[key->slot].key_id;

		if (mem_is_zero(id, IC_KEY_ID_SIZE))
			continue;
		memcpy(key->key_id, id, IC_KEY_ID_SIZE);
		key->uid = ic->slots[key->slot].uid;
		key->loaded = id[0] & 1;
		return 0;
	}
	return -ENOENT;
}

int ic_erase_sync(struct inocrypt *ic)
{
	(void)ic;
	return answers & 128 ? -EIO : 0;
}

int ic_volume_set_raw(struct ic_volume *vol, bool raw)
{
	(void)vol;
	return raw && answers & 16 ? -EBUSY : 0;
}

int ic_owner_next(struct inocrypt *ic, u32 *ino, u32 *gen)
{
	(void)ic;
	*gen = 7;
	if (answers & 32)
		++*ino;
	return answers & 64 ? -ENOENT : 0;
}

int ic_checkpoint_sync(struct inocrypt *ic)
{
	(void)ic;
	return answers & 128 ? -EIO : 0;
}

/* A number as the target takes it for an offset, read in another way. */
static bool same_number(const char *s, u64 n)
{
	char text[32];

	s += *s == '+';
	while (*s == '0' && s[1] >= '0' && s[1] <= '9')
		s++;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	return !strncmp(s, text, strlen(text)) &&
	       (!s[strlen(text)] || !strcmp(s + strlen(text), "\n"));
}

static int parse(struct inocrypt *ic, struct dm_target *ti, char *line,
		 int *argc, char ***argv)
{
	int err;

	memset(ic, 0, sizeof(*ic));
	memset(ti, 0, sizeof(*ti));
	memset(devices, 0, sizeof(devices));
	ic->ti = ti;
	ti->private = ic;
	DIE_IF(dm_split_args(argc, argv, line));
	err = ic_parse_args(ic, *argc, *argv);
	DIE_IF(err > 0 || (err && !ti->error));
	return err;
}

/* The option that sets the cache's size last; it counts. */
static int last_option(int argc, char **argv)
{
	int last = 0;

	for (int i = 6; i < argc; i++)
		if (!strncasecmp(argv[i], "cache_bytes:", 12))
			last = i;
	return last;
}

/* The words as they are now tell how they were taken. */
static void judge(const struct inocrypt *ic, int argc, char **argv)
{
	u64 cache_bytes = IC_CACHE_BYTES_DEFAULT;
	const char *key = argv[4];

	DIE_IF(!ic->key_desc || !*ic->key_desc);
	DIE_IF(strncmp(key, ":32:logon:", 10) ||
	       strcmp(key + 10, ic->key_desc));
	DIE_IF(!ic->data || !ic->sidecar);
	DIE_IF(ic->data_start > U64_MAX >> SECTOR_SHIFT ||
	       ic->sidecar_start > U64_MAX >> SECTOR_SHIFT);
	DIE_IF(!same_number(argv[1], ic->data_start) ||
	       !same_number(argv[3], ic->sidecar_start));
	DIE_IF(ic->options.cache_bytes < IC_CACHE_BYTES_MIN ||
	       ic->options.cache_bytes > (u64)totalram_pages() << PAGE_SHIFT);
	for (int i = 6; i < argc; i++)
		if (!strncasecmp(argv[i], "cache_bytes:", 12)) {
			DIE_IF(i == last_option(argc, argv) &&
			       !same_number(argv[i] + 12, ic->options.cache_bytes));
			cache_bytes = ic->options.cache_bytes;
		}
	DIE_IF(cache_bytes != ic->options.cache_bytes);
}

/**
 * target_table() - load a table line, show it, load what was shown
 * @line: changed
 */
void target_table(char *line)
{
	struct inocrypt *ic = calloc(2, sizeof(*ic));
	struct dm_target ti, ti_again;
	char shown[4096], **argv;
	int argc, err;

	DIE_IF(!ic);
	err = parse(ic, &ti, line, &argc, &argv);
	if (!err) {
		REACHED("table line accepted");
		judge(ic, argc, argv);
	}
	free(argv);
	if (err)
		goto out;
	ic_status(&ti, STATUSTYPE_TABLE, 0, shown, sizeof(shown));
	DIE_IF(strlen(shown) >= sizeof(shown));
	/* Device-mapper quotes nothing when it shows a table. */
	if (strlen(shown) + 1 == sizeof(shown) ||
	    strpbrk(ic->key_desc, " \t\n\v\f\r\\"))
		goto out;
	err = parse(ic + 1, &ti_again, shown, &argc, &argv);
	free(argv);
	DIE_IF(err);
	DIE_IF(strcmp(ic[0].key_desc, ic[1].key_desc) ||
	       ic[0].data_start != ic[1].data_start ||
	       ic[0].sidecar_start != ic[1].sidecar_start ||
	       memcmp(&ic[0].options, &ic[1].options, sizeof(ic[0].options)));
out:
	kfree(ic[0].key_desc);
	kfree(ic[1].key_desc);
	free(ic);
}

/**
 * target_message() - send the target a message
 * @line: changed
 * @maxlen: room for the answer
 * @how: what the rest of the target answers
 */
void target_message(char *line, size_t maxlen, unsigned int how)
{
	static struct ic_key_slot slots[IC_KEY_SLOTS];
	struct inocrypt *ic = calloc(1, sizeof(*ic));
	struct ic_volume *vol = calloc(1, sizeof(*vol));
	char *result = malloc(maxlen), **argv;
	struct dm_target ti = { .private = ic };
	int argc, ret;

	DIE_IF(!ic || !vol || !result);
	answers = how;
	for (u32 i = 0; i < IC_KEY_SLOTS; i++) {
		memset(slots[i].key_id, i < how >> 8 ? i : 0, IC_KEY_ID_SIZE);
		slots[i].uid = i * 4194301;
	}
	ic->vol = vol;
	ic->slots = slots;
	ic->ti = &ti;
	memset(result, 'x', maxlen);
	DIE_IF(dm_split_args(&argc, &argv, line));
	ret = ic_message(&ti, argc, argv, result, maxlen);
	DIE_IF(ret > 1);
	if (ret == 1) {
		REACHED("message answered");
		DIE_IF(strnlen(result, maxlen) == maxlen);
	} else if (!ret) {
		REACHED("message taken");
		if (argc == 3 && (!strcasecmp(argv[1], "remove") ||
				  !strcasecmp(argv[1], "delete")))
			DIE_IF(strlen(argv[2]) != 2 * IC_KEY_ID_SIZE);
	}
	DIE_IF(ic->owner_mutex.held || vol->lock.held);
	free(argv);
	free(result);
	free(vol);
	free(ic);
}

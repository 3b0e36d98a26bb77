// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table line:
 *	<data dev> <offset> <sidecar dev> <offset> :32:logon:<description>
 *	[<#opts> <opts>]
 */
#include <linux/slab.h>

#include "dm/dm.h"

#define KEY_PREFIX	":32:logon:"
#define CACHE_OPTION	"cache_bytes:"

static int parse_device(struct inocrypt *ic, const char *path,
			const char *offset, struct dm_dev **dev,
			sector_t *start)
{
	struct dm_target *ti = ic->ti;
	unsigned long long tmp;
	int err;

	if (kstrtoull(offset, 10, &tmp) || tmp != (sector_t)tmp ||
	    tmp > (U64_MAX >> SECTOR_SHIFT)) {
		ti->error = "Invalid device offset";
		return -EINVAL;
	}
	*start = tmp;
	err = dm_get_device(ti, path, dm_table_get_mode(ti->table), dev);
	if (err) {
		ti->error = "Device lookup failed";
		return err;
	}
	/* Neither device mapper nor the block layer minds. */
	if (!ic->read_only && bdev_read_only((*dev)->bdev)) {
		ti->error = "A device is read-only: the table has to be, too";
		return -EROFS;
	}
	return 0;
}

/* Options that are one word, and where they are kept. */
static const struct {
	const char	*name;
	size_t		at;
} flags[] = {
	{ "allow_discards", offsetof(struct inocrypt, allow_discards) },
	{ "raw", offsetof(struct inocrypt, raw_option) },
	{ "give_up_unwritable", offsetof(struct inocrypt, give_up_unwritable) },
	{ "snapshot", offsetof(struct inocrypt, snapshot) },
	{ "give_up_unreadable", offsetof(struct inocrypt, give_up_unreadable) },
	{ "zero_torn", offsetof(struct inocrypt, zero_torn) },
};

static bool *flag_of(struct inocrypt *ic, unsigned int i)
{
	return (void *)ic + flags[i].at;
}

static bool parse_flag(struct inocrypt *ic, const char *opt)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		if (!strcasecmp(opt, flags[i].name)) {
			*flag_of(ic, i) = true;
			return true;
		}
	}
	return false;
}

/**
 * ic_emit_options() - the table line's options, as they were given
 * @ic: the table
 * @result: receives the text
 * @maxlen: its size in bytes
 *
 * Return: length of the text in bytes.
 */
unsigned int ic_emit_options(struct inocrypt *ic, char *result,
			     unsigned int maxlen)
{
	bool cache = ic->cache_bytes != IC_CACHE_BYTES_DEFAULT;
	unsigned int nr = cache, sz = 0, i;

	for (i = 0; i < ARRAY_SIZE(flags); i++)
		nr += *flag_of(ic, i);
	if (nr)
		DMEMIT(" %u", nr);
	for (i = 0; i < ARRAY_SIZE(flags); i++)
		if (*flag_of(ic, i))
			DMEMIT(" %s", flags[i].name);
	if (cache)
		DMEMIT(" " CACHE_OPTION "%llu", ic->cache_bytes);
	return sz;
}

static int parse_options(struct inocrypt *ic, struct dm_arg_set *as)
{
	static const struct dm_arg nr_args = {
		0, ARRAY_SIZE(flags) + 1, "Invalid number of optional arguments"
	};
	struct dm_target *ti = ic->ti;
	unsigned int nr;
	int err;

	if (!as->argc)
		return 0;
	err = dm_read_arg_group(&nr_args, as, &nr, &ti->error);
	if (err)
		return err;
	if (nr != as->argc) {
		ti->error = "Number of optional arguments does not match";
		return -EINVAL;
	}
	while (nr--) {
		const char *opt = dm_shift_arg(as);

		if (parse_flag(ic, opt))
			continue;
		if (!strncasecmp(opt, CACHE_OPTION, strlen(CACHE_OPTION))) {
			if (kstrtou64(opt + strlen(CACHE_OPTION), 10,
				      &ic->cache_bytes) ||
			    ic->cache_bytes < IC_CACHE_BYTES_MIN ||
			    ic->cache_bytes > (u64)totalram_pages() <<
			    (PAGE_SHIFT - 1)) {
				ti->error = "cache_bytes out of range";
				return -EINVAL;
			}
		} else {
			ti->error = "Unknown optional argument";
			return -EINVAL;
		}
	}
	/* Two that write would repeat each other's nonces. */
	if (ic->snapshot && !ic->read_only) {
		ti->error = "A snapshot's table has to be read-only";
		return -EINVAL;
	}
	return 0;
}

/**
 * ic_parse_args() - take the table line apart and open the devices
 * @ic: with ti set
 * @argc: number of words
 * @argv: the words
 *
 * Return: 0 or a negative errno with ti->error set.
 */
int ic_parse_args(struct inocrypt *ic, unsigned int argc, char **argv)
{
	struct dm_arg_set as = { .argc = argc, .argv = argv };
	struct dm_target *ti = ic->ti;
	const char *path[2], *offset[2], *key;
	int err;

	if (argc < 5) {
		ti->error = "Not enough arguments";
		return -EINVAL;
	}
	path[0] = dm_shift_arg(&as);
	offset[0] = dm_shift_arg(&as);
	path[1] = dm_shift_arg(&as);
	offset[1] = dm_shift_arg(&as);
	key = dm_shift_arg(&as);

	if (strncmp(key, KEY_PREFIX, strlen(KEY_PREFIX)) ||
	    !key[strlen(KEY_PREFIX)]) {
		ti->error = "Volume key is not given as :32:logon:<description>";
		return -EINVAL;
	}
	ic->key_desc = kstrdup(key + strlen(KEY_PREFIX), GFP_KERNEL);
	if (!ic->key_desc) {
		ti->error = "Out of memory";
		return -ENOMEM;
	}
	ic->cache_bytes = IC_CACHE_BYTES_DEFAULT;
	err = parse_options(ic, &as);
	if (!err)
		err = parse_device(ic, path[0], offset[0], &ic->data,
				   &ic->data_start);
	if (!err)
		err = parse_device(ic, path[1], offset[1], &ic->sidecar,
				   &ic->sidecar_start);
	return err;
}

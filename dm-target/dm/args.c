// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table line:
 *	<data dev> <offset> <sidecar dev> <offset> :32:logon:<description>
 *	[<#opts> <opts>]
 */
#include <linux/slab.h>

#include "dm/dm.h"

#define KEY_PREFIX	":32:logon:"

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
	/* Device mapper and the block layer let a table write to a read-only device. */
	if (!ic->read_only && bdev_read_only((*dev)->bdev)) {
		ti->error = "A device is read-only: the table has to be, too";
		return -EROFS;
	}
	return 0;
}

/* A number of bytes of memory, within the option's bounds. */
static int parse_number(const struct ic_table_option *opt, const char *value,
			u64 *out, char **error)
{
	if (kstrtou64(value, 10, out) || *out < opt->min ||
	    *out > (u64)totalram_pages() << (PAGE_SHIFT - 1)) {
		*error = (char *)opt->error;
		return -EINVAL;
	}
	return 0;
}

static int parse_option(struct ic_table_options *o, const char *word,
			char **error)
{
	unsigned int i;

	for (i = 0; i < ic_nr_table_options; i++) {
		const struct ic_table_option *opt = &ic_table_option[i];
		size_t len = strlen(opt->word);
		bool *flag = ic_table_option_flag(o, i);
		u64 *number = ic_table_option_number(o, i);

		if (strncasecmp(word, opt->word, len))
			continue;
		if (number && word[len] == ':')
			return parse_number(opt, word + len + 1, number, error);
		if (flag && !word[len]) {
			*flag = true;
			return 0;
		}
	}
	*error = "Unknown optional argument";
	return -EINVAL;
}

static int parse_options(struct inocrypt *ic, struct dm_arg_set *as)
{
	struct dm_arg nr_args = {
		0, ic_nr_table_options, "Invalid number of optional arguments"
	};
	struct dm_target *ti = ic->ti;
	unsigned int nr;
	int err;

	ic_table_options_init(&ic->options);
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
		err = parse_option(&ic->options, dm_shift_arg(as), &ti->error);
		if (err)
			return err;
	}
	/* Two tables that write could give different data the same nonce. */
	if (ic->options.snapshot && !ic->read_only) {
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
	err = parse_options(ic, &as);
	if (!err)
		err = parse_device(ic, path[0], offset[0], &ic->data,
				   &ic->data_start);
	if (!err)
		err = parse_device(ic, path[1], offset[1], &ic->sidecar,
				   &ic->sidecar_start);
	return err;
}

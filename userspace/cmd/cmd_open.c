// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt open: check the superblock and make the device-mapper device.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "anchor/anchor.h"
#include "boot/boot.h"
#include "cmd/cmd.h"
#include "table_options.h"

struct open_args {
	const char *dev, *name, *anchor;
	struct words words;
	struct volume_source source;
	bool readonly, accept;
	struct ic_table_options table;
};

/* OPT_TABLE and what follows are the table line's options: shared/table_options.c. */
enum { OPT_ANCHOR = 0x100, OPT_ACCEPT, OPT_TABLE = 0x200 };

static const struct argp_option options[] = {
	{ "readonly", 'r', NULL, 0, "Allow no writes", 0 },
	{ "anchor", OPT_ANCHOR, "FILE|none", 0,
	  "Where to remember how new the volume is (default: "
	  ANCHOR_DIR "/UUID); none: don't notice older copies", 0 },
	{ "accept-rollback", OPT_ACCEPT, NULL, 0,
	  "Open it though it is older than its anchor, or a fork, or its anchor isn't authentic",
	  0 },
	{ 0 }
};

static void set_table_option(struct open_args *a, unsigned int i,
			     const char *arg, const struct argp_state *state)
{
	u64 *number = ic_table_option_number(&a->table, i);

	if (!number)
		*ic_table_option_flag(&a->table, i) = true;
	else if (!parse_size(arg, number) || !*number)
		args_error(state, "--%s %s: a size, as 64M",
			   ic_table_option[i].option, arg);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct open_args *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->source;
		state->child_inputs[1] = &a->words;
		break;
	case 'r':
		a->readonly = true;
		break;
	case OPT_ANCHOR:
		a->anchor = arg;
		break;
	case OPT_ACCEPT:
		a->accept = true;
		break;
	case ARGP_KEY_END:
		if (!volume_name_valid(a->name))
			args_error(state,
				   "name %s: letters, digits and +-.:=@_, at most %d, neither - nor . first, as in inocrypttab",
				   a->name, INOCRYPTTAB_NAME_MAX);
		else if (a->table.snapshot && !a->readonly)
			args_error(state,
				   "a snapshot is opened with --readonly only: two that are written to would use the same nonces");
		else if (a->table.snapshot && (a->anchor || a->accept))
			args_error(state, "a snapshot has no anchor of its own");
		break;
	default:
		if (key < OPT_TABLE ||
		    key >= OPT_TABLE + (int)ic_nr_table_options)
			return ARGP_ERR_UNKNOWN;
		set_table_option(a, key - OPT_TABLE, arg, state);
	}
	return 0;
}

static const struct argp_child children[] = {
	{ &volume_argp, 0, NULL, 0 }, { &words_argp, 0, NULL, 0 }, { 0 }
};

static const struct argp usage = {
	options, parse, "DEV NAME",
	"Make the volume on DEV available as /dev/mapper/NAME.  Asks for a passphrase, unless the options say where it, or the key, comes from.",
	children, NULL, NULL
};

/* argp's own kind of list, with the table line's options in it. */
static void parse_arguments(int argc, char **argv, struct open_args *a)
{
	struct argp_option *all;
	struct argp argp = usage;

	all = calloc(ic_nr_table_options + ARRAY_SIZE(options), sizeof(*all));
	if (!all)
		exit(fail(EX_FAIL, "out of memory"));
	for (unsigned int i = 0; i < ic_nr_table_options; i++) {
		all[i].name = ic_table_option[i].option;
		all[i].key = OPT_TABLE + i;
		all[i].arg = ic_table_option[i].value;
		all[i].doc = ic_table_option[i].help;
	}
	memcpy(all + ic_nr_table_options, options, sizeof(options));
	argp.options = all;
	ic_table_options_init(&a->table);
	parse_command(&argp, argc, argv, a);
	free(all);
}

static int refuse_file(const struct area_dev *dev)
{
	if (!dev->path || !dev->is_file)
		return 0;
	return fail(EX_USAGE,
		    "%s is a file; open the device that this makes of it: losetup --find --show %s",
		    dev->path, shown_path(dev->path));
}

/* The table line's parameters; the offsets are in 512-byte sectors. */
static void make_table(char *out, size_t size, const struct open_args *a,
		       const struct volume *v, const char *desc)
{
	size_t n;

	n = snprintf(out, size, "%u:%u %llu %u:%u %llu :%d:logon:%s",
		     v->data.major, v->data.minor,
		     (unsigned long long)v->data_offset / 512, v->side->major,
		     v->side->minor, (unsigned long long)v->side_offset / 512,
		     IC_KEY_SIZE, desc);
	ic_table_options_print(&a->table, out + n, size - n);
}

/* Is there an anchor, and does the volume's superblock agree with it? */
static int check_anchor(struct anchor *anchor, const struct open_args *a,
			const struct volume *v, const u8 vk[IC_KEY_SIZE])
{
	const struct ic_super_copy *copy = &v->copy[v->current];
	const struct ic_super_copy *other = &v->copy[!v->current];
	struct anchor_state disk = { .epoch = v->state.epoch };
	int ret;

	memcpy(disk.super_tag, copy->tag, IC_TAG_SIZE);
	ret = anchor_derive(anchor, vk, v->params.uuid);
	if (!ret)
		ret = anchor_locate(anchor, a->anchor);
	if (!ret)
		ret = anchor_begin(anchor, &disk, a->dev, a->accept,
				   a->readonly);
	/* Damage looks like a rollback, if it is the newer copy that it hit. */
	if (ret == EX_ROLLBACK && other->err) {
		tell("Or it is damaged: superblock copy %d is unusable (%s);",
		     !v->current, other->why);
		tell("see tool.md, \"What damage costs, and what to type\".");
	}
	return ret;
}

/*
 * Say what was given up: the volume is open, but not all that it held is there.
 */
static int report_given_up(const char *name)
{
	struct dm_volume v;
	char sectors[24] = "0", log[24] = "0", records[24] = "0";
	int ret;

	ret = dm_volume_get(&v, name);
	if (ret)
		return ret;
	dm_status_field(&v, "sectors_given_up", sectors, sizeof(sectors));
	dm_status_field(&v, "log_given_up", log, sizeof(log));
	dm_status_field(&v, "lost_records", records, sizeof(records));
	dm_volume_put(&v);
	if (strcmp(sectors, "0"))
		ret = fail(EX_GIVEN_UP,
			   "%s is open, but %s sectors were given up and read as errors; the kernel's log names them",
			   name, sectors);
	if (strcmp(log, "0"))
		ret = fail(EX_GIVEN_UP,
			   "%s is open, but what was written last may have been given up; see the kernel's log",
			   name);
	if (strcmp(records, "0"))
		ret = fail(EX_GIVEN_UP,
			   "%s is open, but %s changes in the log were given up with the leaves that they are for; the kernel's log names them",
			   name, records);
	return ret;
}

/* Make the device; take it away again if the anchor doesn't agree after all. */
static int activate(struct anchor *anchor, const struct open_args *a,
		    const struct volume *v, const char *table)
{
	u64 sectors = v->params.data_sectors * v->params.sector_size / 512;
	sigset_t all, old;
	char snapshot[32];
	int ret;

	/* Each of the volume's snapshots can be open, once. */
	snprintf(snapshot, sizeof(snapshot), "%u-%u", v->data.major,
		 v->data.minor);
	/*
	 * Nobody may stop us between making the device and looking at the
	 * anchor.
	 */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	ret = dm_volume_create(a->name, v->params.uuid, sectors, table,
			       a->readonly, a->table.snapshot ? snapshot : NULL);
	if (!ret && !a->table.snapshot) {
		ret = anchor_opened(anchor, a->name, a->accept, a->readonly);
		if (ret && dm_volume_remove(a->name))
			dm_volume_lock_out(a->name, sectors);
	} else if (ret == EX_IO) {
		tell("nothing is lost by that: mend the device, or look with --readonly;");
		tell("what --give-up-unreadable or --give-up-unwritable costs is in tool.md,");
		tell("\"A volume that doesn't open after a crash\".");
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	return ret;
}

/*
 * Say what is wrong with the ext4 that is loaded: nobody would understand what
 * mount(8) says.
 */
static void look_at_ext4(const struct volume *v, const char *name)
{
	char why[MODULE_WHY_SIZE];

	if (!modules_ext4_trouble(why))
		return;
	if (v->state.flags & IC_STATE_OWNED)
		warn("%s can't be mounted, as files on it have keys of their own: %s",
		     name, why);
	else
		tell("no file on %s can have a key of its own yet: %s", name,
		     why);
}

/*
 * If a device is read-only the volume is opened so, and the anchor, too, is
 * left as it is: it would be ahead.
 */
static void heed_readonly(struct open_args *a, const struct volume *v)
{
	const char *which = v->data.readonly ? v->data.path :
			    v->side->readonly ? v->side->path : NULL;

	if (a->readonly || !which)
		return;
	a->readonly = true;
	tell("%s is read-only, and so is %s: nothing is written to the volume or an anchor",
	     which, a->name);
}

/**
 * cmd_open() - inocrypt open
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_open(int argc, char **argv)
{
	struct open_args a = {
		.words = {
			.to = { &a.dev, &a.name }, .min = 2,
			.ask = "which device, and under which name?",
		},
	};
	char desc[16 + UUID_STR_SIZE], uuid[UUID_STR_SIZE], table[512];
	struct anchor anchor = { 0 };
	struct secret vk = { 0 };
	struct volume v;
	key_serial_t key = -1;
	int ret;

	parse_arguments(argc, argv, &a);
	ret = volume_open(&v, a.dev, a.source.sidecar, true);
	if (!ret)
		ret = refuse_file(&v.data);
	if (!ret)
		ret = refuse_file(&v.side_dev);
	/* Look for the target before anybody types a passphrase in. */
	if (!ret)
		ret = dm_need_target();
	if (!ret)
		heed_readonly(&a, &v);
	if (!ret)
		ret = volume_key_get(&vk, &a.source.key, &v);
	if (!ret)
		ret = volume_read_supers(&v, vk.key);
	if (!ret && !a.table.snapshot)
		ret = check_anchor(&anchor, &a, &v, vk.key);
	/* This closes the devices, which device-mapper wants for itself. */
	volume_close(&v);
	if (!ret) {
		uuid_format(v.params.uuid, uuid);
		snprintf(desc, sizeof(desc), "inocrypt:%s", uuid);
		key = keyring_add(desc, vk.key);
		if (key == -1)
			ret = fail(EX_FAIL,
				   "can't hand the volume key to the kernel: %s",
				   strerror(errno));
	}
	secret_wipe(&vk);
	if (!ret) {
		make_table(table, sizeof(table), &a, &v, desc);
		ret = activate(&anchor, &a, &v, table);
		if (!ret && (a.table.give_up_unwritable || a.table.give_up_unreadable))
			ret = report_given_up(a.name);
	}
	keyring_remove(key);
	anchor_wipe(&anchor);
	if (!ret)
		look_at_ext4(&v, a.name);
	return ret;
}

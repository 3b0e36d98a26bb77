// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt anchor: look at a volume's freshness anchor, keep it fresh.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "anchor/anchor.h"
#include "cmd/cmd.h"

struct anchor_args {
	const char *verb, *arg, *header;
	struct words words;
	struct volume_key_source key;
	u64 interval;
	bool watch, json;
};

enum { OPT_INTERVAL = 0x100, OPT_HEADER };

static const struct argp_option options[] = {
	{ "watch", 'w', NULL, 0,
	  "Go on refreshing after each checkpoint, until the volume is closed",
	  0 },
	{ "interval", OPT_INTERVAL, "SECONDS", 0,
	  "With --watch: at most one refresh in so many seconds (default: 10)",
	  0 },
	{ "header", OPT_HEADER, "DEV", 0,
	  "Verify the anchor of a closed volume (for show) with the key in the header on DEV",
	  0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct anchor_args *a = state->input;

	switch (key) {
	case 'w':
		a->watch = true;
		break;
	case OPT_INTERVAL:
		if (!parse_u64(arg, &a->interval) || a->interval > 86400)
			args_error(state, "interval %s: 0 to 86400 seconds",
				   arg);
		break;
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->key;
		state->child_inputs[1] = &a->json;
		state->child_inputs[2] = &a->words;
		break;
	case OPT_HEADER:
		a->header = arg;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_child children[] = {
	{ &volume_key_argp, 0, NULL, 0 }, { &json_argp, 0, NULL, 0 },
	{ &words_argp, 0, NULL, 0 }, { 0 }
};

static const struct argp argp = {
	options, parse,
	"refresh NAME [--watch [--interval SECONDS]]\n"
	"show NAME|UUID|FILE [--header DEV|--volume-key-file FILE] [--json]",
	"refresh makes the anchor of the open volume NAME remember its last checkpoint; open, checkpoint and close do that too.  show prints an anchor and whether it is authentic; a file is given with a slash in its name.",
	children, NULL, NULL
};

/*
 * Events are counted, so that none is missed while we write or wait.  The
 * volume may be closed at any point: that is the end, not an error.
 */
static int watch(const char *name, unsigned int interval)
{
	struct dm_event ev;
	int ret, err;

	for (;;) {
		/*
		 * If there is no such volume any more, its removal was the last
		 * event.
		 */
		err = dm_volume_event(name, NULL, &ev);
		if (err)
			break;
		ret = anchor_refresh(name, true);
		if (ret)
			return dm_volume_event(name, NULL, &ev) == -ENXIO ?
			       EX_DONE : ret;
		sleep(interval);
		err = dm_volume_event(name, &ev.nr, &ev);
		if (err)
			break;
	}
	return err == -ENXIO ? EX_DONE :
	       fail(errno_code(-err), "can't wait for %s: %s", name,
		    strerror(-err));
}

static int refresh(const struct anchor_args *a)
{
	const char *name = dm_plain_name(a->arg);
	int ret = anchor_refresh(name, true);

	return ret || !a->watch ? ret : watch(name, a->interval);
}

/* Find the anchor and, where it is at hand, the key to check it with. */
static int find(const struct anchor_args *args, struct anchor *a, bool *has_key)
{
	struct dm_volume v;
	int ret;

	*has_key = false;
	if (strchr(args->arg, '/') &&
	    strncmp(args->arg, "/dev/mapper/", strlen("/dev/mapper/")))
		return anchor_locate(a, args->arg);
	if (uuid_parse_any(args->arg, a->uuid))
		return anchor_locate(a, NULL);
	ret = dm_volume_get(&v, args->arg);
	if (ret)
		return ret;
	dm_volume_put(&v);
	if (!v.has_uuid)
		return fail(EX_FAIL,
			    "%s wasn't opened by this tool; give the anchor's file",
			    args->arg);
	*has_key = !anchor_recall(a, v.uuid);
	if (*has_key)
		return 0;
	memcpy(a->uuid, v.uuid, sizeof(a->uuid));
	return anchor_locate(a, NULL);
}

static void print(const struct anchor_args *args, const struct anchor *a,
		  const struct anchor_state *s, const char *verdict)
{
	char uuid[UUID_STR_SIZE], tag[2 * IC_TAG_SIZE + 1];
	char when[ANCHOR_TIME_SIZE];
	struct json_object *o = json_object_new_object();

	uuid_format(a->uuid, uuid);
	hex(s->super_tag, IC_TAG_SIZE, tag);
	anchor_time(s->written, when);
	put_str(o, "anchor", a->path);
	put_str(o, "uuid", uuid);
	put_u64(o, "epoch", s->epoch);
	put_str(o, "super", tag);
	put_str(o, "written", when);
	put_str(o, "mac", verdict);
	if (args->json) {
		out_json(o);
	} else {
		json_object_object_foreach(o, name, value)
			say("%-8s %s", name, json_object_get_string(value));
	}
	json_object_put(o);
}

/* The key that the anchor of a closed volume is verified with. */
static int closed_key(const struct anchor_args *args, struct anchor *a)
{
	struct secret vk = { 0 };
	struct luks_info info;
	int ret;

	if (args->key.file) {
		ret = secret_read(&vk, args->key.file);
	} else {
		ret = luks_info(args->header, LUKS_VOLUME, &info);
		if (!ret)
			ret = volume_key_from_header(&vk, args->header,
						     &args->key.pass, &info);
		if (!ret)
			memcpy(a->uuid, info.uuid, sizeof(a->uuid));
	}
	if (!ret)
		ret = anchor_derive(a, vk.key, a->uuid);
	secret_wipe(&vk);
	return ret;
}

static int show(const struct anchor_args *args)
{
	u8 buf[ANCHOR_READ_SIZE], uuid[IC_UUID_SIZE];
	bool give_key = args->key.file || args->header;
	struct anchor_state s;
	struct anchor a = { 0 };
	const char *why;
	bool has_key;
	size_t len;
	int ret, err;

	ret = find(args, &a, &has_key);
	if (ret)
		return ret;
	if (!*a.path)
		return fail(EX_NOKEY, "no anchors are kept: %s is none",
			    ANCHOR_DIR_ENV);
	err = anchor_read_raw(a.path, buf, &len);
	if (err)
		return fail(err == -ENOENT ? EX_NOVOLUME : EX_FAIL,
			    "can't read the anchor %s: %s", a.path,
			    err == -EINVAL ? "not a regular file" :
					     strerror(-err));
	if (!anchor_fields(buf, len, uuid, &s, &why))
		return fail(EX_ANCHOR, "can't use the anchor %s: %s", a.path,
			    why);
	/*
	 * Without this key nothing says of which volume the anchor should be.
	 */
	if (!has_key && (!give_key || mem_is_zero(a.uuid, sizeof(uuid))))
		memcpy(a.uuid, uuid, sizeof(uuid));
	if (give_key) {
		ret = closed_key(args, &a);
		if (ret)
			return ret;
		has_key = true;
	}
	err = has_key ? anchor_parse(buf, len, a.key, a.uuid, &s, &why) : 0;
	anchor_wipe(&a);
	if (err)
		return fail(EX_ANCHOR, "can't use the anchor %s: %s", a.path,
			    why);
	print(args, &a, &s, has_key ? "valid" : "not checked, no key");
	return 0;
}

/**
 * cmd_anchor() - inocrypt anchor
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_anchor(int argc, char **argv)
{
	struct anchor_args a = {
		.words = { .to = { &a.verb, &a.arg }, .min = 2 },
		.interval = 10,
	};

	parse_command(&argp, argc, argv, &a);
	if (!strcmp(a.verb, "refresh"))
		return refresh(&a);
	if (!strcmp(a.verb, "show"))
		return show(&a);
	return fail(EX_USAGE, "anchor refresh NAME | anchor show NAME");
}

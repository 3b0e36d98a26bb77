// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt policy: the key that a directory's new files are under.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cmd/cmd.h"

enum { OPT_USER_KEY = 0x700, OPT_NO_KEY };

struct policy_args {
	const char *verb, *path, *key;
	struct words words;
	unsigned int flags;
	bool json;
};

static const struct argp_option options[] = {
	{ "user-key", OPT_USER_KEY, NULL, 0,
	  "set: each file is under its maker's own default key", 0 },
	{ "no-key", OPT_NO_KEY, NULL, 0,
	  "set: under none, whatever the mount options say (root)", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct policy_args *a = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->json;
		state->child_inputs[1] = &a->words;
		break;
	case OPT_USER_KEY:
		a->flags |= EXT4_OWNER_POLICY_USER_KEY;
		break;
	case OPT_NO_KEY:
		a->flags |= EXT4_OWNER_POLICY_NO_KEY;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_child children[] = {
	{ &json_argp, 0, NULL, 0 }, { &words_argp, 0, NULL, 0 }, { 0 }
};

static const struct argp argp = {
	options, parse,
	"set DIR KEY|--user-key|--no-key\nget PATH\nreport DIR",
	"set puts all files made below the empty directory DIR under a key, named as inocrypt key list does; "
	"get prints the key id of a file or directory; "
	"report shows where below DIR the policy changes, and counts files by key. No keys are needed for get and report.",
	children, NULL, NULL
};

static int explain(const char *path, int err)
{
	switch (err) {
	case ENOTTY:
	case EOPNOTSUPP:
		return modules_not_on_volume(EX_FAIL, path);
	case ENXIO:
		return fail(EX_FAIL, MOUNT_INSIDE, path);
	case EEXIST:
		return fail(EX_FAIL, "%s is under another key already", path);
	case ENOTEMPTY:
		return fail(EX_FAIL,
			    "%s isn't empty; what is in it would stay as it is",
			    path);
	case ENOTDIR:
		return fail(EX_USAGE, "%s isn't a directory", path);
	case ENOKEY:
		return fail(EX_NOKEY,
			    "%s: that key isn't loaded, or not by you; see inocrypt key unlock",
			    path);
	case EACCES:
	case EPERM:
		return fail(EX_FAIL,
			    "%s: only its owner and root give it a policy (--no-key: root)",
			    path);
	case EROFS:
		return fail(EX_FAIL, "%s is mounted read-only", path);
	default:
		return fail(errno_code(err), "%s: %s", path, strerror(err));
	}
}

/* The key that is named; a key id says it all. */
static int find_key(const struct policy_args *a, u8 *id)
{
	struct key_store s;
	struct key_ref ref;
	int ret;

	if (parse_hex(a->key, id, EXT4_OWNER_KEY_ID_SIZE))
		return 0;
	ret = key_store_open(&s, a->path);
	if (ret)
		return ret;
	ret = key_store_find(&s, a->key, &ref);
	if (!ret)
		memcpy(id, ref.id, sizeof(ref.id));
	key_store_close(&s);
	return ret;
}

static int policy_set(const struct policy_args *a)
{
	struct ext4_owner_policy policy = {
		.version = EXT4_OWNER_POLICY_V1,
		.flags = a->flags,
	};
	int fd, ret;

	if (!a->key == !a->flags || (a->flags & (a->flags - 1)))
		return fail(EX_USAGE,
			    "policy set DIR: and a key, or --user-key, or --no-key");
	ret = a->key ? find_key(a, policy.key_id) : 0;
	if (ret)
		return ret;
	fd = open(a->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return fail(errno_code(errno), "%s: %s", a->path,
			    strerror(errno));
	if (ioctl(fd, EXT4_IOC_SET_OWNER_POLICY, &policy))
		ret = explain(a->path, errno);
	close(fd);
	return ret;
}

static int policy_get(const struct policy_args *a)
{
	struct ext4_owner_policy policy;
	struct json_object *o;
	char name[POLICY_NAME_SIZE];
	int err;

	err = policy_read(AT_FDCWD, a->path, &policy);
	if (err && err != -ENODATA)
		return explain(a->path, -err);
	policy_name(err ? NULL : &policy, name);
	if (!a->json) {
		say("%s", name);
		return 0;
	}
	o = json_object_new_object();
	policy_put(o, err ? NULL : &policy);
	out_json(o);
	json_object_put(o);
	return 0;
}

/**
 * cmd_policy() - inocrypt policy
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_policy(int argc, char **argv)
{
	struct policy_args a = {
		.words = { .to = { &a.verb, &a.path, &a.key }, .min = 2 },
	};

	parse_command(&argp, argc, argv, &a);
	if (!strcmp(a.verb, "set"))
		return policy_set(&a);
	if (a.key || a.flags)
		return fail(EX_USAGE, "policy %s PATH, and nothing else",
			    a.verb);
	if (!strcmp(a.verb, "get"))
		return policy_get(&a);
	if (!strcmp(a.verb, "report"))
		return policy_report(a.path, a.json);
	return fail(EX_USAGE,
		    "policy set DIR KEY | policy get PATH | policy report DIR");
}

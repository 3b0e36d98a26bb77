// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt policy: the key that a directory's new files are under.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ext4_owner.h"
#include "inocrypt.h"

struct policy_args {
	const char *verb, *path, *key_id;
	bool json;
};

static const struct argp_option options[] = {
	{ "json", 'j', NULL, 0, "Answer get as JSON", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct policy_args *a = state->input;

	switch (key) {
	case 'j':
		a->json = true;
		break;
	case ARGP_KEY_ARG:
		if (!a->verb)
			a->verb = arg;
		else if (!a->path)
			a->path = arg;
		else if (!a->key_id)
			a->key_id = arg;
		else
			argp_usage(state);
		break;
	case ARGP_KEY_END:
		if (!a->path)
			argp_usage(state);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	options, parse, "set DIR KEYID\nget PATH",
	"set puts all files made below the empty directory DIR under key KEYID; "
	"get prints the key id of a file or directory.", NULL, NULL, NULL
};

static int explain(const char *path, int err)
{
	switch (err) {
	case ENOTTY:
	case EOPNOTSUPP:
		return fail(EX_FAIL,
			    "%s isn't on an ext4 mounted on an inocrypt volume (with inocrypt's ext4.ko)",
			    path);
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
			    "%s: that key isn't loaded; see inocrypt key add",
			    path);
	default:
		return fail(errno_code(err), "%s: %s", path, strerror(err));
	}
}

static int policy_set(int fd, const struct policy_args *a)
{
	struct ext4_owner_policy policy = { .version = EXT4_OWNER_POLICY_V1 };

	if (!parse_hex(a->key_id, policy.key_id, sizeof(policy.key_id)))
		return fail(EX_USAGE,
			    "key id %s: 32 hexadecimal digits, as inocrypt key add prints",
			    a->key_id);
	return ioctl(fd, EXT4_IOC_SET_OWNER_POLICY, &policy) ?
	       explain(a->path, errno) : 0;
}

static int policy_get(int fd, const struct policy_args *a)
{
	struct ext4_owner_policy policy = { 0 };
	char id[KEY_ID_STR_SIZE];
	struct json_object *o;

	if (ioctl(fd, EXT4_IOC_GET_OWNER_POLICY, &policy)) {
		if (errno != ENODATA)
			return explain(a->path, errno);
		puts(a->json ? "{ \"key_id\": null }" : "none");
		return 0;
	}
	hex(policy.key_id, sizeof(policy.key_id), id);
	if (!a->json) {
		puts(id);
		return 0;
	}
	o = json_object_new_object();
	json_object_object_add(o, "key_id", json_object_new_string(id));
	json_object_object_add(o, "version",
			       json_object_new_int(policy.version));
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_SPACED));
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
	struct policy_args a = { 0 };
	bool set;
	int fd, ret;

	parse_command(&argp, argc, argv, &a);
	set = !strcmp(a.verb, "set") && a.key_id;
	if (!set && (strcmp(a.verb, "get") || a.key_id))
		return fail(EX_USAGE, "policy set DIR KEYID | policy get PATH");
	fd = open(a.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return fail(errno_code(errno), "%s: %s", a.path,
			    strerror(errno));
	ret = set ? policy_set(fd, &a) : policy_get(fd, &a);
	close(fd);
	return ret;
}

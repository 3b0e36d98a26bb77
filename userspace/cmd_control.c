// SPDX-License-Identifier: GPL-2.0-only
/*
 * The commands that only name an open volume: close, raw, checkpoint.
 */
#include <string.h>

#include "inocrypt.h"

struct control_args {
	const char *arg[2];
	int count, want;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct control_args *a = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (a->count == a->want)
			argp_usage(state);
		a->arg[a->count++] = arg;
		break;
	case ARGP_KEY_END:
		if (a->count < a->want)
			argp_usage(state);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* Look the volume up first, so that other targets' devices are left alone. */
static int check_volume(const char *name)
{
	struct dm_volume v;
	int ret = dm_volume_get(&v, name);

	if (ret)
		return ret;
	if (!strncmp(v.status, "failed", 6))
		warn("%s has failed: what was written last may be lost; see inocrypt status",
		     v.name);
	dm_volume_put(&v);
	return 0;
}

static int message(const char *name, const char *text)
{
	int ret = check_volume(name), err;

	if (ret)
		return ret;
	err = dm_volume_message(name, text, NULL);
	return err ? fail(errno_code(-err), "%s: %s: %s", name, text,
			  strerror(-err)) : 0;
}

/**
 * cmd_close() - inocrypt close
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_close(int argc, char **argv)
{
	static const struct argp argp = {
		NULL, parse, "NAME",
		"Write everything back and take /dev/mapper/NAME away.", NULL,
		NULL, NULL
	};
	struct control_args a = { .want = 1 };
	int ret;

	parse_command(&argp, argc, argv, &a);
	ret = check_volume(a.arg[0]);
	return ret ? ret : dm_volume_remove(dm_plain_name(a.arg[0]));
}

/**
 * cmd_raw() - inocrypt raw
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_raw(int argc, char **argv)
{
	static const struct argp argp = {
		NULL, parse, "on|off NAME",
		"Let the volume's device be read and written past its owners, for e2fsck.",
		NULL, NULL, NULL
	};
	struct control_args a = { .want = 2 };
	bool on;

	parse_command(&argp, argc, argv, &a);
	on = !strcmp(a.arg[0], "on");
	if (!on && strcmp(a.arg[0], "off"))
		return fail(EX_USAGE, "raw on or raw off?");
	return message(a.arg[1], on ? "raw on" : "raw off");
}

/**
 * cmd_checkpoint() - inocrypt checkpoint
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_checkpoint(int argc, char **argv)
{
	static const struct argp argp = {
		NULL, parse, "NAME",
		"Write all metadata back now; returns when it is durable.",
		NULL, NULL, NULL
	};
	struct control_args a = { .want = 1 };

	parse_command(&argp, argc, argv, &a);
	return message(a.arg[0], "checkpoint");
}

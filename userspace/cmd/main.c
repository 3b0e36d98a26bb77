// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt: manage inocrypt volumes.  Each command is in a file of its own.
 */
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "cmd/cmd.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{ "format", cmd_format, "make a new, empty volume on a device" },
	{ "open", cmd_open, "make a volume available under /dev/mapper" },
	{ "close", cmd_close, "take it away again" },
	{ "status", cmd_status, "show health and counters" },
	{ "key", cmd_key, "keys of users: make, unlock, lock, list, ..." },
	{ "policy", cmd_policy, "say which key a directory's files are under" },
	{ "erase", cmd_erase, "delete files for good" },
	{ "check", cmd_check, "verify a volume that isn't open" },
	{ "dump", cmd_dump, "show what is on the disk" },
	{ "attach", cmd_attach, "open a volume as /etc/inocrypttab says" },
	{ "detach", cmd_detach, "close it again" },
	{ "fsck", cmd_fsck, "run e2fsck on a volume" },
	{ "raw", cmd_raw, "switch raw mode, for e2fsck" },
	{ "checkpoint", cmd_checkpoint, "write all metadata back now" },
	{ "anchor", cmd_anchor, "show or refresh the record that detects older copies" },
};

static int usage(FILE *out)
{
	fputs("Usage: inocrypt COMMAND ...\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  %-12s%s\n", commands[i].name, commands[i].help);
	fputs("\"inocrypt COMMAND --help\" tells more.\n"
	      "Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 wrong key or changed data,\n"
	      "4 in use, 5 input/output error, 6 no such device or volume, 7 key not there,\n"
	      "8 damage found, 9 damage found and repaired, 10 older than its anchor or a fork,\n"
	      "11 anchor not authentic\n",
	      out);
	return out == stdout ? EX_DONE : EX_USAGE;
}

int main(int argc, char **argv)
{
	static const struct rlimit no_core;
	size_t i;
	int ret;

	say_begin();
	/*
	 * Keys shall not end up in a core dump.  The limit alone doesn't keep
	 * one from a program that core_pattern names.
	 */
	setrlimit(RLIMIT_CORE, &no_core);
#ifndef __SANITIZE_ADDRESS__	/* looks for leaks with ptrace */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	argp_err_exit_status = EX_USAGE;
	if (argc < 2)
		return usage(stderr);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help"))
		return usage(stdout);
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[1], commands[i].name))
			break;
	if (i < ARRAY_SIZE(commands)) {
		ret = commands[i].run(argc - 1, argv + 1);
		stack_wipe();
		return ret;
	}
	return fail(EX_USAGE, "no command %s; see inocrypt --help", argv[1]);
}

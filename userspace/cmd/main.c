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

/* What they mean; the manual is made of this. */
static const char *const exit_codes[] = {
	[EX_DONE] = "done",
	[EX_FAIL] = "failed; the message says why",
	[EX_USAGE] = "wrong arguments, or a key file that isn't one",
	[EX_AUTH] = "wrong key or passphrase, or a header, superblock or node was changed",
	[EX_BUSY] = "the device, name, volume, anchor or key's files are in use",
	[EX_IO] = "input/output error; check: part of it can't be read",
	[EX_NOVOLUME] = "no such device, no inocrypt volume there, or of another version",
	[EX_NOKEY] = "no such key, or it isn't unlocked; or no key slot may be used",
	[EX_DAMAGED] = "check: damage was found",
	[EX_REPAIRED] = "check: damage was found and repaired",
	[EX_ROLLBACK] = "the volume is older than its anchor, or a fork",
	[EX_ANCHOR] = "the anchor is not authentic, or not one",
	[EX_GIVEN_UP] = "open: the volume is open, but data was given up, as was asked for",
};

static int usage(FILE *out)
{
	fputs("Usage: inocrypt COMMAND ...\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  %-12s%s\n", commands[i].name, commands[i].help);
	fputs("\"inocrypt COMMAND --help\" tells more.\nExit codes:\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(exit_codes); i++)
		fprintf(out, "  %2zu  %s\n", i, exit_codes[i]);
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

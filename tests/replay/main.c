// SPDX-License-Identifier: GPL-2.0-only
/*
 * replay: options.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay.h"

struct options opt = {
	.seed = 1,
	.only_entry = -1,
	.mount_opts = "",
};

static const char usage[] =
"usage: replay load|check [options]\n"
"load does the work on a mounted file system, check replays the log.\n"
"Both take, alike:\n"
"  --mnt DIR           where the file system is, or shall be mounted\n"
"  --seed S            of the random numbers (1)\n"
"  --files DIR:STEPS   a task on files in this directory of it; repeatable\n"
"  --db PATH:MODE:STEPS  a task on a SQLite database; repeatable\n"
"  --direct-sync       files: some direct writes with RWF_DSYNC, which are FUA\n"
"                      writes on a device that has those\n"
"  --simple            files: made and synced, then only overwritten\n"
"load:\n"
"  --dm-log NAME       the log-writes device that gets the marks\n"
"  --serial            files: no two tasks' steps at the same time\n"
"check:\n"
"  --log DEV           where dm-log-writes logged to\n"
"  --base DEV          as large as the logged device, and zero: replayed to\n"
"  --cow DEV           for what a mount writes over it\n"
"  --table FILE        table line of the volume, as dmsetup printed it\n"
"  --volume-key FILE   and --key FILE (repeatable): 32 bytes each\n"
"  --mount-opts OPTS\n"
"  --readable DIR      all files in this directory can be read; repeatable\n"
"  --points N          so many of the log's flushes and FUA writes (all)\n"
"  --variants N        and after each of them, N times a random part of the\n"
"                      writes that weren't flushed yet (0)\n"
"  --entry N           only the point at this entry of the log\n"
"  --lose              leave out what the last flush before each point made\n"
"                      durable, up to the first that fails: one must\n"
"Exit code: 0 well, 1 something is missing, 2 could not do it\n";

/**
 * die() - this can't go on
 * @fmt: message
 */
void die(const char *fmt, ...)
{
	va_list ap;

	fputs("replay: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(2);
}

/**
 * rnd() - a random number (splitmix64)
 * @state: of the generator
 */
uint64_t rnd(uint64_t *state)
{
	uint64_t z = (*state += 0x9E3779B97F4A7C15ull);

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
	return z ^ (z >> 31);
}

/**
 * below() - a random number from 0 to n - 1
 * @state: of the generator
 * @n: not 0
 */
uint64_t below(uint64_t *state, uint64_t n)
{
	return rnd(state) % n;
}

static unsigned long number(const char *text)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 0);
	if (errno || end == text || *end)
		die("not a number: %s", text);
	return n;
}

/* PATH:STEPS or PATH:MODE:STEPS; takes the string apart. */
static void add_task(enum task_kind kind, char *arg)
{
	struct task *t = &opt.tasks[opt.ntasks];
	char *steps = strrchr(arg, ':');

	if (opt.ntasks == MAX_TASKS)
		die("too many tasks");
	if (!steps)
		die("no steps in %s", arg);
	*steps++ = 0;
	t->kind = kind;
	t->index = opt.ntasks++;
	t->path = arg;
	t->steps = number(steps);
	if (kind == TASK_DB) {
		char *mode = strrchr(arg, ':');

		if (!mode)
			die("no journal mode in %s", arg);
		*mode++ = 0;
		t->mode = mode;
	}
}

static void parse(int argc, char **argv)
{
	enum { MNT = 1000, SEED, FILES, DB, DMLOG, LOG, BASE, COW, TABLE, VKEY,
	       KEY, MOUNT, READABLE, POINTS, VARIANTS, ENTRY, LOSE, DSYNC,
	       SIMPLE, SERIAL,
	       HELP };
	static const struct option longs[] = {
		{ "mnt", 1, NULL, MNT }, { "seed", 1, NULL, SEED },
		{ "files", 1, NULL, FILES }, { "db", 1, NULL, DB },
		{ "dm-log", 1, NULL, DMLOG }, { "log", 1, NULL, LOG },
		{ "base", 1, NULL, BASE }, { "cow", 1, NULL, COW },
		{ "table", 1, NULL, TABLE }, { "volume-key", 1, NULL, VKEY },
		{ "key", 1, NULL, KEY }, { "mount-opts", 1, NULL, MOUNT },
		{ "readable", 1, NULL, READABLE },
		{ "points", 1, NULL, POINTS },
		{ "variants", 1, NULL, VARIANTS },
		{ "entry", 1, NULL, ENTRY }, { "lose", 0, NULL, LOSE },
		{ "direct-sync", 0, NULL, DSYNC },
		{ "simple", 0, NULL, SIMPLE }, { "serial", 0, NULL, SERIAL },
		{ "help", 0, NULL, HELP }, { NULL, 0, NULL, 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (o) {
		case MNT:
			opt.mnt = optarg;
			break;
		case SEED:
			opt.seed = number(optarg);
			break;
		case FILES:
			add_task(TASK_FILES, optarg);
			break;
		case DB:
			add_task(TASK_DB, optarg);
			break;
		case DMLOG:
			opt.dm_log = optarg;
			break;
		case LOG:
			opt.log = optarg;
			break;
		case BASE:
			opt.base = optarg;
			break;
		case COW:
			opt.cow = optarg;
			break;
		case TABLE:
			opt.table = optarg;
			break;
		case VKEY:
			opt.volume_key = optarg;
			break;
		case KEY:
			if (opt.nkeys == sizeof(opt.keys) / sizeof(*opt.keys))
				die("too many keys");
			opt.keys[opt.nkeys++] = optarg;
			break;
		case MOUNT:
			opt.mount_opts = optarg;
			break;
		case READABLE:
			if (opt.nreadable ==
			    sizeof(opt.readable) / sizeof(*opt.readable))
				die("too many directories");
			opt.readable[opt.nreadable++] = optarg;
			break;
		case POINTS:
			opt.points = number(optarg);
			break;
		case VARIANTS:
			opt.variants = number(optarg);
			break;
		case ENTRY:
			opt.only_entry = number(optarg);
			break;
		case DSYNC:
			opt.direct_sync = true;
			break;
		case SIMPLE:
			opt.simple = true;
			break;
		case SERIAL:
			opt.serial = true;
			break;
		case LOSE:
			opt.lose = true;
			break;
		case HELP:
			fputs(usage, stdout);
			exit(0);
		default:
			exit(2);
		}
	}
	if (!opt.mnt || !opt.ntasks)
		die("--mnt and a task are needed (--help lists the options)");
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "--help";

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(what, "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	parse(argc - 1, argv + 1);
	if (!strcmp(what, "load")) {
		if (!opt.dm_log)
			die("--dm-log is needed");
		load();
		return 0;
	}
	if (strcmp(what, "check"))
		die("load or check, not %s", what);
	if (!opt.log || !opt.base || !opt.cow || !opt.table)
		die("--log, --base, --cow and --table are needed");
	return check();
}

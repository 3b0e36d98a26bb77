// SPDX-License-Identifier: GPL-2.0-only
/*
 * exerciser: options, phases, and watching the processes.
 *
 * A phase is: each process compares all its files, does its share of the ops,
 * compares again.  Between phases nothing is open below the directories: the
 * hook may unmount, close, open and mount.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "exerciser.h"

struct options opt = {
	.ops = 10000,
	.procs = 4,
	.seed = 1,
	.max_size = 1 << 20,
	.max_io = 256 << 10,
	.files = 8,
	.shared = 192 << 10,
	.phases = 3,
	.only_proc = -1,
	.hang_seconds = 300,
};

struct world *world;

static const char usage[] =
"usage: exerciser --dir DIR [--dir DIR ...] [options]\n"
"Does random things to files below the (empty) directories and compares them\n"
"with a model in memory.\n"
"  --ops N             ops altogether (10000)\n"
"  --procs N           processes (4)\n"
"  --files N           files of each process, over all directories (8)\n"
"  --seed S            of the random numbers (1); 'time' takes the clock\n"
"  --block-size B      of the file system (asked from it)\n"
"  --dio-align B       alignment of direct I/O (asked from the file)\n"
"  --max-file-size B   (1M)\n"
"  --max-io B          largest single read or write (256K)\n"
"  --shared B          bytes each process has in files shared by all (192K,\n"
"                      0: none)\n"
"  --shared-mixed      also a shared file with cached and direct I/O in\n"
"                      different regions: not where folios are larger than\n"
"                      a page, the regions would share them\n"
"  --phases N          (3)\n"
"  --hook CMD          run between phases and before the last comparison\n"
"  --state FILE        save the model there after each phase\n"
"  --stop-after N      stop after that phase; --resume goes on\n"
"  --resume            load the model from --state\n"
"  --verify-only       with --resume: compare, no ops\n"
"  --only OP,...       only these ops\n"
"  --without OP,...    not these ops\n"
"  --only-proc K       only process K, for a replay\n"
"  --hang-seconds N    no progress for so long is a failure (300)\n"
"  --self-test-corrupt N  flip a bit behind the model's back after op N of\n"
"                      process 0: a run must then fail\n"
"  --list              print the ops\n"
"  --verbose           print each op\n"
"Exit code: 0 well, 1 wrong data or error, 2 usage, 3 hung\n";

static void bad_usage(const char *why, const char *what)
{
	fprintf(stderr, "exerciser: %s%s (--help lists the options)\n", why,
		what);
	exit(EXIT_USAGE);
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &end, 0);
	if (*end == 'K' || *end == 'k') {
		n <<= 10;
		end++;
	} else if (*end == 'M' || *end == 'm') {
		n <<= 20;
		end++;
	}
	if (errno || end == text || *end)
		bad_usage("not a number: ", text);
	return n;
}

static void set_enabled(char *list, bool value)
{
	for (char *name = strtok(list, ","); name; name = strtok(NULL, ",")) {
		unsigned int i;

		for (i = 0; i < op_count; i++)
			if (!strcmp(op_table[i].name, name))
				break;
		if (i == op_count)
			bad_usage("no such op: ", name);
		opt.enabled[i] = value;
	}
}

static void parse(int argc, char **argv)
{
	enum { DIR_ = 1000, OPS, PROCS, FILES, SEED, BLOCK, DIO, MAXSIZE, MAXIO,
	       SHARED, MIXED, PHASES, HOOK, STATE, STOP, RESUME, VERIFY, ONLY,
	       WITHOUT, ONLYPROC, HANG, CORRUPT, LIST, VERBOSE, HELP };
	static const struct option longs[] = {
		{ "dir", 1, NULL, DIR_ }, { "ops", 1, NULL, OPS },
		{ "procs", 1, NULL, PROCS }, { "files", 1, NULL, FILES },
		{ "seed", 1, NULL, SEED }, { "block-size", 1, NULL, BLOCK },
		{ "dio-align", 1, NULL, DIO },
		{ "max-file-size", 1, NULL, MAXSIZE },
		{ "max-io", 1, NULL, MAXIO }, { "shared", 1, NULL, SHARED },
		{ "shared-mixed", 0, NULL, MIXED },
		{ "phases", 1, NULL, PHASES }, { "hook", 1, NULL, HOOK },
		{ "state", 1, NULL, STATE }, { "stop-after", 1, NULL, STOP },
		{ "resume", 0, NULL, RESUME },
		{ "verify-only", 0, NULL, VERIFY }, { "only", 1, NULL, ONLY },
		{ "without", 1, NULL, WITHOUT },
		{ "only-proc", 1, NULL, ONLYPROC },
		{ "hang-seconds", 1, NULL, HANG },
		{ "self-test-corrupt", 1, NULL, CORRUPT },
		{ "list", 0, NULL, LIST }, { "verbose", 0, NULL, VERBOSE },
		{ "help", 0, NULL, HELP }, { NULL, 0, NULL, 0 },
	};
	int o;

	for (unsigned int i = 0; i < op_count; i++)
		opt.enabled[i] = true;
	while ((o = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (o) {
		case DIR_:
			if (opt.ndirs == MAX_DIRS)
				bad_usage("too many directories: ", optarg);
			opt.dirs[opt.ndirs++] = optarg;
			break;
		case OPS:
			opt.ops = number(optarg);
			break;
		case PROCS:
			opt.procs = (unsigned int)number(optarg);
			break;
		case FILES:
			opt.files = (unsigned int)number(optarg);
			break;
		case SEED:
			opt.seed = strcmp(optarg, "time") ? number(optarg) :
				   (uint64_t)time(NULL);
			break;
		case BLOCK:
			opt.block_size = (unsigned int)number(optarg);
			break;
		case DIO:
			opt.dio_align = (unsigned int)number(optarg);
			break;
		case MAXSIZE:
			opt.max_size = number(optarg);
			break;
		case MAXIO:
			opt.max_io = number(optarg);
			break;
		case SHARED:
			opt.shared = number(optarg);
			break;
		case MIXED:
			opt.shared_mixed = true;
			break;
		case PHASES:
			opt.phases = (unsigned int)number(optarg);
			break;
		case HOOK:
			opt.hook = optarg;
			break;
		case STATE:
			opt.state = optarg;
			break;
		case STOP:
			opt.stop_after = (unsigned int)number(optarg);
			break;
		case RESUME:
			opt.resume = true;
			break;
		case VERIFY:
			opt.verify_only = true;
			break;
		case ONLY:
			memset(opt.enabled, 0, sizeof(opt.enabled));
			set_enabled(optarg, true);
			break;
		case WITHOUT:
			set_enabled(optarg, false);
			break;
		case ONLYPROC:
			opt.only_proc = (int)number(optarg);
			break;
		case HANG:
			opt.hang_seconds = (unsigned int)number(optarg);
			break;
		case CORRUPT:
			opt.corrupt_at = number(optarg);
			break;
		case LIST:
			for (unsigned int i = 0; i < op_count; i++)
				puts(op_table[i].name);
			exit(EXIT_OK);
		case VERBOSE:
			opt.verbose = true;
			break;
		case HELP:
			fputs(usage, stdout);
			exit(EXIT_OK);
		default:
			exit(EXIT_USAGE);
		}
	}
	if (optind < argc)
		bad_usage("what is ", argv[optind]);
}

static void settle_options(void)
{
	unsigned int kinds = opt.shared ? opt.shared_mixed ? 3 : 2 : 0;
	struct statfs st;

	if (!opt.ndirs)
		bad_usage("no --dir", "");
	if (!opt.procs || opt.procs > MAX_PROCS)
		bad_usage("--procs: 1 to 32", "");
	if (!opt.phases)
		bad_usage("--phases: at least 1", "");
	if (opt.files < opt.ndirs ||
	    opt.files + opt.ndirs * kinds > MAX_SLOTS)
		bad_usage("--files: at least one per directory, at most 64 with"
			  " the shared ones", "");
	if (opt.max_io % 4096 || !opt.max_io || opt.max_io > opt.max_size ||
	    opt.max_size % 4096 || opt.shared % 65536)
		bad_usage("--max-io and --max-file-size: multiples of 4096,"
			  " --shared: of 65536", "");
	if ((opt.resume || opt.stop_after) && !opt.state)
		bad_usage("--resume and --stop-after need --state", "");
	if (opt.verify_only && !opt.resume)
		bad_usage("--verify-only needs --resume", "");
	if (!opt.block_size) {
		if (statfs(opt.dirs[0], &st)) {
			perror(opt.dirs[0]);
			exit(EXIT_USAGE);
		}
		opt.block_size = (unsigned int)st.f_bsize;
	}
	if (opt.block_size & (opt.block_size - 1))
		bad_usage("--block-size: a power of two", "");
}

static void show_stuck(const struct proc *p)
{
	char path[64], text[4096];
	ssize_t n;
	int fd;

	printf("exerciser: FAILED: process %u (pid %d) does not get on: op %"
	       PRIu64 " (%s), seed %" PRIu64 "\n", p->index, (int)p->pid, p->op,
	       p->op_name, opt.seed);
	snprintf(path, sizeof(path), "/proc/%d/stack", (int)p->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, sizeof(text));
		if (n > 0)
			fwrite(text, (size_t)n, 1, stdout);
		close(fd);
	}
	fflush(stdout);
}

/* Waits for all processes; exits if one hangs */
static bool reap(void)
{
	uint64_t seen[MAX_PROCS] = { 0 };
	time_t since[MAX_PROCS];
	unsigned int left = 0;
	bool good = true;

	for (unsigned int k = 0; k < opt.procs; k++) {
		since[k] = time(NULL);
		left += !world->procs[k].finished;
	}
	while (left) {
		struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };

		nanosleep(&pause, NULL);
		for (unsigned int k = 0; k < opt.procs; k++) {
			struct proc *p = &world->procs[k];
			int status;

			if (p->finished)
				continue;
			if (waitpid(p->pid, &status, WNOHANG) == p->pid) {
				p->finished = true;
				left--;
				if (!WIFEXITED(status) || WEXITSTATUS(status)) {
					good = false;
					world->stop = 1;
				}
				if (WIFSIGNALED(status))
					printf("exerciser: FAILED: process %u:"
					       " signal %d in op %" PRIu64
					       " (%s), seed %" PRIu64 "\n", k,
					       WTERMSIG(status), p->op,
					       p->op_name, opt.seed);
				continue;
			}
			if (p->op + p->bytes_compared != seen[k]) {
				seen[k] = p->op + p->bytes_compared;
				since[k] = time(NULL);
			} else if (time(NULL) - since[k] >
				   (time_t)opt.hang_seconds) {
				show_stuck(p);
				exit(EXIT_HUNG);
			}
		}
	}
	return good;
}

static void run_phase(uint64_t ops)
{
	fflush(stdout);
	for (unsigned int k = 0; k < opt.procs; k++) {
		struct proc *p = &world->procs[k];
		pid_t pid;

		p->finished = opt.only_proc >= 0 &&
			      k != (unsigned int)opt.only_proc;
		if (p->finished)
			continue;
		pid = fork();
		if (pid < 0) {
			perror("exerciser: fork");
			exit(EXIT_USAGE);
		}
		if (!pid)
			run_proc(k, ops);
		p->pid = pid;
	}
	if (!reap())
		exit(EXIT_FOUND);
	verify_shared(&world->procs[0]);
}

static void between_phases(void)
{
	int status;

	sync();
	drop_caches(3);
	if (!opt.hook)
		return;
	fflush(stdout);
	status = system(opt.hook);
	if (status) {
		printf("exerciser: FAILED: hook after phase %u: status %d\n",
		       world->phase, status);
		exit(EXIT_FOUND);
	}
}

static void report(time_t start)
{
	uint64_t total = 0, skipped = 0, compared = 0;
	uint64_t by_dir[MAX_DIRS] = { 0 };
	uint64_t by_op[MAX_OPS] = { 0 };

	for (unsigned int k = 0; k < opt.procs; k++) {
		struct proc *p = &world->procs[k];

		compared += p->bytes_compared;
		for (unsigned int i = 0; i < op_count; i++) {
			skipped += p->skipped[i];
			for (unsigned int d = 0; d < opt.ndirs; d++) {
				by_dir[d] += p->done[d][i];
				by_op[i] += p->done[d][i];
			}
		}
	}
	for (unsigned int d = 0; d < opt.ndirs; d++) {
		printf("exerciser: %" PRIu64 " ops in %s\n", by_dir[d],
		       opt.dirs[d]);
		total += by_dir[d];
	}
	printf("exerciser:");
	for (unsigned int i = 0; i < op_count; i++)
		printf(" %s %" PRIu64, op_table[i].name, by_op[i]);
	printf("\nexerciser: ok: %" PRIu64 " ops, %" PRIu64
	       " not applicable, %" PRIu64 " MiB compared, %u processes, block"
	       " size %u, seed %" PRIu64 ", %jd s\n", total, skipped,
	       compared >> 20, opt.procs, opt.block_size, opt.seed,
	       (intmax_t)(time(NULL) - start));
}

int main(int argc, char **argv)
{
	time_t start = time(NULL);
	uint64_t share_of_ops;

	setvbuf(stdout, NULL, _IOLBF, 0);
	parse(argc, argv);
	settle_options();
	build_world();
	if (opt.resume)
		load_state();
	if (opt.verify_only) {
		run_phase(0);
		report(start);
		return EXIT_OK;
	}
	share_of_ops = (opt.ops + (uint64_t)opt.procs * opt.phases - 1) /
		       ((uint64_t)opt.procs * opt.phases);
	while (world->phase < opt.phases) {
		world->phase++;
		run_phase(share_of_ops);
		if (opt.state)
			save_state();
		if (world->phase == opt.stop_after) {
			printf("exerciser: stopped after phase %u of %u\n",
			       world->phase, opt.phases);
			return EXIT_OK;
		}
		between_phases();
	}
	run_phase(0);
	report(start);
	return EXIT_OK;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * crash-sim - runs of the simulator, each from one seed.
 *
 *	crash-sim [--seed N] [--runs N] [--states N] [--seconds N] [--jobs N]
 *		[--crashes N] [--nested N] [--churn] [--faults] [--stubborn]
 *		[--reloads] [-v]
 *
 * --churn: inodes come and go all the time, else in some runs only.
 * --faults: few sectors, synced writes with their data in the log, many that fail.
 * --stubborn: few sectors whose writes fail again and again.
 * --reloads: the volume fails often, and is activated anew while the power stays.
 * Ends when any of runs, states or seconds is reached; prints one line.  On
 * failure it prints what is wrong, and the command that does it again.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim.h"

struct args {
	u64	seed;
	u64	runs;
	u64	states;
	u64	seconds;
	u64	jobs;
	u64	crashes;
	u64	nested;
	bool	churn;
	bool	faults;
	bool	stubborn;
	bool	reloads;
	bool	verbose;
};

static void make_keys(void)
{
	u8 vk[IC_KEY_SIZE], bytes[IC_KEY_SIZE];
	int err;

	memset(vk, 0x5a, sizeof(vk));
	memset(keys.uuid, 0xa5, sizeof(keys.uuid));
	keys.data = 0x0123456789abcdefULL;
	err = ic_derive_volume_key(vk, keys.uuid, IC_LABEL_SUPER, bytes);
	keys.super = ic_meta_key_new(bytes);
	err |= ic_derive_volume_key(vk, keys.uuid, IC_LABEL_NODE, bytes);
	keys.node = ic_meta_key_new(bytes);
	err |= ic_derive_volume_key(vk, keys.uuid, IC_LABEL_LOG,
				    keys.log_master);
	if (err || !keys.super || !keys.node)
		abort();
}

void trace(struct run *run, const char *fmt, ...)
{
	va_list args;

	if (!run || !run->verbose)
		return;
	printf("%8lu %6lu  ", run->step, run->events);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
}

void run_fail(struct run *run, const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "crash-sim: seed %lu, step %lu, event %lu, crash %u:\n  ",
		run->seed, run->step, run->events, run->crash);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr,
		"\n  again, with a trace: crash-sim --seed %lu --runs 1 --jobs 1 --crashes %u --nested %u%s%s%s%s -v\n",
		run->seed, run->per_event, run->nested,
		run->churn ? " --churn" : "", run->faults ? " --faults" : "",
		run->stubborn ? " --stubborn" : "",
		run->reloads ? " --reloads" : "");
	fflush(stderr);
	_exit(1);
}

static u32 pick(struct rng *rng, u32 n, const u32 *of)
{
	return of[rng_below(rng, n)];
}

#define PICK(rng, ...) \
	pick(rng, sizeof((u32[]){ __VA_ARGS__ }) / sizeof(u32), \
	     (u32[]){ __VA_ARGS__ })

/* Inodes that come and go within one checkpoint. */
static void make_churn(struct conf *c, struct rng *rng)
{
	c->inos = 1 + rng_below(rng, 2);
	c->depth = PICK(rng, 4, 8);
	c->slow = 300;
	c->w_flush = 10;
	c->w_discard = 30;
	c->w_forget = 30;
	c->w_fua = 0;
	c->w_owned = 100;
	c->w_checkpoint = 20;
}

/*
 * Let writes of the same few sectors fail, be synced, and be cut by
 * checkpoints.
 */
static void make_faults(struct conf *c)
{
	c->fail_data = 150;
	c->w_fua = 50;
	c->w_data = 100;
	c->w_checkpoint = 20;
	c->slow = 40;
}

/* Most writes fail, again and again; not of logged data, as that stops the volume. */
static void make_stubborn(struct conf *c)
{
	c->fail_data = 600;
	c->w_data = 0;
	c->w_flush = 5;
	c->w_discard = 2;
	c->w_forget = 2;
	c->w_owned = 30;
	c->w_checkpoint = c->hot_first & 1 ? 1 : 10;
	c->slow = 40;
}

/* Inodes live so shortly that many go while writes are in the disks' caches only. */
static void make_reloads(struct conf *c)
{
	c->generations = 12;
	c->steps = 30 + c->steps / 10;
	c->w_reload = 80;
	c->fail_side = 10;
	c->fail_flush = 20;
	c->cache[0] = true;
	c->w_data = 100;
	c->w_checkpoint = 10;
}

static void make_conf(struct conf *c, struct rng *rng, const struct args *a)
{
	bool faults = a->faults || a->stubborn;
	u32 size = PICK(rng, 512, 1024, 4096, 4096);

	if (faults)
		size = 4096;

	memset(c, 0, sizeof(*c));
	memcpy(c->params.uuid, keys.uuid, IC_UUID_SIZE);
	c->params.sector_size = size;
	c->params.cipher = IC_CIPHER_AES256_GCM;
	c->params.log_blocks = IC_MIN_LOG_BLOCKS;
	c->params.owners = 64;
	c->hot = 20 + rng_below(rng, 140);
	if (faults)
		c->hot = 6;
	c->hot_first = 1 + rng_below(rng, c->hot - 1);
	/* One leaf, two, or three levels. */
	c->params.data_sectors = PICK(rng, c->hot, 254, 254, 70000);
	if (c->params.data_sectors < c->hot)
		c->params.data_sectors = c->hot;
	if (ic_geometry_init(&c->geo, &c->params))
		abort();
	c->units = size / UNIT;
	c->atomic = rng_pct(rng, 50) ? 1 : c->units;
	c->disks = 1 + rng_below(rng, 2);
	c->cache[0] = rng_pct(rng, 75);
	c->cache[1] = rng_pct(rng, 75);
	c->data_fua = rng_pct(rng, 70);
	c->pass_down = rng_pct(rng, 50);
	c->zero_torn = mix(rng->state) % 5 == 0;
	c->fail_data = PICK(rng, 0, 0, 20, 200);
	c->fail_side = PICK(rng, 0, 0, 0, 5);
	/* A flush that fails stops the volume, so these are few. */
	c->fail_flush = PICK(rng, 0, 0, 10);
	c->fail_read = PICK(rng, 0, 0, 50, 500);
	c->inos = 1 + rng_below(rng, 6);
	c->depth = PICK(rng, 1, 4, 12, 30);
	c->steps = 500 + rng_below(rng, 3000);
	c->generations = PICK(rng, 1, 1, 2, 4);
	c->w_flush = PICK(rng, 1, 5, 15);
	c->w_discard = PICK(rng, 2, 10, 30, 80);
	c->w_forget = PICK(rng, 0, 3, 10, 25);
	c->w_fua = PICK(rng, 0, 10);
	c->w_owned = PICK(rng, 0, 50, 90);
	c->w_behind = PICK(rng, 0, 50, 100);
	c->w_data = PICK(rng, 0, 50, 100);
	c->w_checkpoint = PICK(rng, 0, 1, 5, 20);
	c->slow = PICK(rng, 4, 4, 40, 200);
	c->eager = PICK(rng, 0, 50, 50);
	c->w_join = PICK(rng, 0, 50, 100);
	c->w_reload = 30;
	if (rng_pct(rng, 15) || a->churn)
		make_churn(c, rng);
	if (a->faults)
		make_faults(c);
	if (a->stubborn)
		make_stubborn(c);
	if (a->reloads)
		make_reloads(c);
}

static void check_live(struct run *run, u32 hot)
{
	char why[1000];

	run->stats->live++;
	if (!model_check_live(&run->model, run->vol, hot, why, sizeof(why)))
		run_fail(run, "%s", why);
}

static void check_erased(struct run *run, bool closed)
{
	char why[1000];

	if (!erase_check(&run->disks.durable, &run->conf, &run->model,
			 closed, why, sizeof(why)))
		run_fail(run, "%s", why);
}

static void checkpoint(struct run *run)
{
	u64 erased = run->erased;

	vol_checkpoint(run->vol);
	if (run->erased != erased)
		check_erased(run, false);
}

/* The workload, until the volume fails or there was enough of it. */
static void work(struct run *run)
{
	struct vol *v = run->vol;
	u64 end = run->step + run->conf.steps;
	u32 idle = 0;

	run->step_limit = end + 1000000;
	while (run->step < end && !v->failed) {
		u32 chance = run->conf.w_checkpoint;

		if (v->should_checkpoint || v->want_checkpoint)
			chance += run->conf.eager;
		if (v->want_checkpoint)
			chance += 20;
		if (rng_permille(&run->rng, chance)) {
			checkpoint(run);
			continue;
		}
		if (rng_pct(&run->rng, 2))
			check_live(run, rng_below(&run->rng, run->conf.hot));
		if (vol_step(v)) {
			idle = 0;
			continue;
		}
		if (v->failed)
			break;
		if (++idle > 20)
			run_fail(run, "hangs");
		checkpoint(run);
	}
}

/* Let all that is under way end, and close the volume in order. */
static void finish(struct run *run)
{
	struct vol *v = run->vol;
	u32 tries = 0, hot;
	bool closed;

	run->draining = true;
	while (!v->failed && (run->nr_bios || v->lw_st || v->kicked)) {
		bool wait = !v->want_checkpoint || rng_pct(&run->rng, 90);

		if (wait && vol_step(v)) {
			tries = 0;
			continue;
		}
		if (++tries > 20)
			run_fail(run, "hangs when closed");
		/* Who waits for no checkpoint waits for a round that doesn't come. */
		if (run->nr_bios && wait && !v->failed && !v->want_checkpoint)
			run_fail(run, "a request waits, and nobody looks at it again");
		checkpoint(run);
	}
	closed = vol_close(v);
	run->draining = false;
	if (!closed)
		return;
	for (hot = 0; hot < run->conf.hot; hot++)
		check_live(run, hot);
	/* Everything is in the tree now. */
	model_flushed(&run->model, ~0ULL);
	check_erased(run, true);
}

/* Errors pass: after some tries the disks have none. */
#define ERRORS_PASS	10

static bool activate(struct run *run, u32 tries)
{
	u64 epoch = run->epoch;
	struct found found;
	char why[1000];
	int err;

	if (!tries && run->seed % 2) {
		found_init(&found, &run->conf);
		look(run, &run->disks, &found);
		found_free(&found);
	}
	run->disks.conf = tries < ERRORS_PASS ? &run->conf : &run->calm;
	run->vol = vol_new(&run->conf, &run->disks, &run->rng);
	run->vol->run = run;
	/* Whoever has tried long enough may give up what can't be written. */
	run->vol->give_up = tries && rng_pct(&run->rng, 5);
	err = vol_activate(run->vol);
	run->disks.conf = &run->conf;
	if (!err && run->vol->loaded < epoch)
		run_fail(run, "superblock %lu was committed, and %lu is found",
			 epoch, run->vol->loaded);
	if (err) {
		trace(run, "recovery was cut: error %d", err);
		vol_free(run->vol);
		run->vol = NULL;
		while (disks_complete_one(&run->disks))
			;
		return false;
	}
	found_init(&found, &run->conf);
	if (!model_check(&run->model, run->vol, &run->disks.durable, &found,
			 why, sizeof(why)))
		run_fail(run, "%s", why);
	model_restart(&run->model, run->vol, &found);
	memcpy(run->life, found.inst, sizeof(run->life));
	disks_settle(&run->disks);
	found_free(&found);
	return true;
}

/* One of the possible crashes becomes what the disks hold; or there is none. */
static void crash(struct run *run, struct image *img)
{
	void *event = run->disks.event;

	vol_fail_bios(run->vol);
	vol_free(run->vol);
	run->vol = NULL;
	if (rng_pct(&run->rng, run->conf.w_reload)) {
		/*
		 * The table was only loaded anew, so the disks' caches keep
		 * what they have.
		 */
		while (disks_complete_one(&run->disks))
			;
		return;
	}
	disks_crash(&run->disks, &run->rng, img);
	disks_free(&run->disks);
	disks_init(&run->disks, &run->conf, &run->rng, img);
	run->disks.event = event;
	run->disks.arg = run;
}

static void run_one(const struct args *a, u64 seed, struct stats *stats)
{
	struct run *run = calloc(1, sizeof(*run));
	struct image img;
	u32 gen, tries;

	run->seed = seed;
	run->rng.state = mix(mix(seed) ^ 0x696e6f6372797074ULL);
	run->stats = stats;
	run->verbose = a->verbose;
	run->per_event = a->crashes;
	run->nested = a->nested;
	run->churn = a->churn;
	run->faults = a->faults;
	run->stubborn = a->stubborn;
	run->reloads = a->reloads;
	INIT_LIST_HEAD(&run->bios);
	make_conf(&run->conf, &run->rng, a);
	/*
	 * This depends on the seed, so that all other runs are what they were
	 * without it.
	 */
	run->conf.fail_seal = seed % 16 == 6 ? 1000 : seed % 4 == 2 ? 10 : 0;
	run->conf.stalls = seed % 3 == 1;
	run->conf.w_read = seed % 4 == 3 ? 25 : 0;
	run->calm = run->conf;
	run->calm.fail_data = 0;
	run->calm.fail_side = 0;
	run->calm.fail_flush = 0;
	run->calm.fail_seal = 0;
	model_init(&run->model, &run->conf);
	vol_format(&run->conf, &img, &run->rng);
	disks_init(&run->disks, &run->conf, &run->rng, &img);
	run->disks.event = crash_event;
	run->disks.arg = run;

	for (gen = 0; gen < run->conf.generations; gen++) {
		run->step_limit = ~0ULL;
		for (tries = 0; !activate(run, tries); tries++)
			if (tries > 50)
				run_fail(run, "can't be activated");
		trace(run, "generation %u", gen);
		/* Now and then it is closed at once. */
		if (!rng_pct(&run->rng, 15))
			work(run);
		if (rng_pct(&run->rng, 50))
			finish(run);
		if (run->vol->failed)
			stats->reloads++;
		crash(run, &img);
	}
	run->disks.event = NULL;
	stats->runs++;
	disks_free(&run->disks);
	model_free(&run->model);
	free(run);
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static u64 value_of(const char *arg)
{
	char *end;
	u64 n;

	errno = 0;
	n = strtoull(arg ? arg : "", &end, 0);
	if (!arg || *end || end == arg || errno) {
		fprintf(stderr, "crash-sim: not an option's value\n");
		exit(2);
	}
	return n;
}

/* Do one process's share of the runs. */
static void worker(const struct args *a, u32 nr, struct stats *stats,
		   double start)
{
	u64 i;

	make_keys();
	for (i = nr; !a->runs || i < a->runs; i += a->jobs) {
		if (a->states && stats->states >= a->states / a->jobs)
			break;
		if (a->seconds && seconds() - start > a->seconds)
			break;
		run_one(a, a->seed + i, stats);
	}
}

static int report(const struct stats *s, u32 jobs, double start)
{
	struct stats sum = { 0 };
	const u64 *in;
	u64 *out = (u64 *)&sum;
	u32 i, j;

	for (i = 0; i < jobs; i++) {
		in = (const u64 *)&s[i];
		for (j = 0; j < sizeof(sum) / sizeof(u64); j++)
			out[j] += in[j];
	}
	printf("crash-sim: %lu runs, %lu crash states (%lu of cut recoveries), ",
	       sum.runs, sum.states, sum.cut);
	printf("%lu log blocks replayed, %lu sectors put in place, ",
	       sum.replayed, sum.redone);
	printf("%lu torn sectors zeroed, %lu unread, ", sum.torn, sum.unread);
	printf("%lu logs with an unreadable end, ", sum.log_unread);
	printf("%lu refused, %lu live reads, %lu checkpoints, ", sum.refused,
	       sum.live + sum.reads, sum.checkpoints);
	printf("%lu unsealed, %lu forgotten, %lu erasures, ", sum.unsealed,
	       sum.forgotten, sum.erased);
	printf("%lu looks, %lu without a superblock, ", sum.read_only,
	       sum.super_unread);
	printf("%lu reloads after a failure, %.0f s\n", sum.reloads,
	       seconds() - start);
	return 0;
}

int main(int argc, char **argv)
{
	struct args a = {
		.seed = 1, .jobs = 2, .crashes = 1, .nested = 20,
	};
	double start = seconds();
	struct stats *stats;
	pid_t pid[64] = { 0 }, who;
	int i, status, ret = 0;
	u32 j;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "-v"))
			a.verbose = true;
		else if (!strcmp(argv[i], "--churn"))
			a.churn = true;
		else if (!strcmp(argv[i], "--faults"))
			a.faults = true;
		else if (!strcmp(argv[i], "--stubborn"))
			a.stubborn = true;
		else if (!strcmp(argv[i], "--reloads"))
			a.reloads = true;
		else if (!strcmp(argv[i], "--seed"))
			a.seed = value_of(argv[++i]);
		else if (!strcmp(argv[i], "--runs"))
			a.runs = value_of(argv[++i]);
		else if (!strcmp(argv[i], "--states"))
			a.states = value_of(argv[++i]);
		else if (!strcmp(argv[i], "--seconds"))
			a.seconds = value_of(argv[++i]);
		else if (!strcmp(argv[i], "--jobs"))
			a.jobs = value_of(argv[++i]);
		else if (!strcmp(argv[i], "--crashes"))
			a.crashes = value_of(argv[++i]);
		else if (!strcmp(argv[i], "--nested"))
			a.nested = value_of(argv[++i]);
		else
			return fprintf(stderr, "crash-sim: unknown option %s\n",
				       argv[i]), 2;
	}
	if (!a.jobs || a.jobs > 64)
		a.jobs = 2;
	if (!a.runs && !a.states && !a.seconds)
		a.runs = 20;
	stats = mmap(NULL, a.jobs * sizeof(*stats), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (stats == MAP_FAILED)
		return perror("mmap"), 2;
	if (a.jobs == 1) {
		worker(&a, 0, stats, start);
		return report(stats, 1, start);
	}
	for (j = 0; j < a.jobs; j++) {
		pid[j] = fork();
		if (pid[j] < 0)
			return perror("fork"), 2;
		if (!pid[j]) {
			worker(&a, j, &stats[j], start);
			exit(0);
		}
	}
	while ((who = wait(&status)) > 0) {
		for (j = 0; j < a.jobs; j++)
			if (pid[j] == who)
				pid[j] = 0;
		if (WIFEXITED(status) && !WEXITSTATUS(status))
			continue;
		ret = 1;
		/* One failure is enough. */
		for (j = 0; j < a.jobs; j++)
			if (pid[j])
				kill(pid[j], SIGTERM);
	}
	report(stats, a.jobs, start);
	return ret;
}

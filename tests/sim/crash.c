// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every crash of a run: at each change of what a crash may leave, some of the
 * possible disks are recovered and compared.  Recovery itself is crashed at each
 * of its own writes, and has to come to the same result.
 */
#include "sim.h"

#define MAX_DEPTH	3

/* A recovery that a second crash cuts short. */
struct inner {
	struct run		*run;
	struct rng		*rng;
	const struct found	*expect;
	const struct vol	*vol;
	u32			depth;
};

static void explore(struct run *run, struct image *img, struct rng *rng,
		    const struct inner *outer);

static void inner_event(struct disks *disks, void *arg)
{
	struct inner *inner = arg;
	struct image img;

	disks_crash(disks, inner->rng, &img);
	inner->run->stats->cut++;
	explore(inner->run, &img, inner->rng, inner);
}

/* Recover @img once more, and crash that. */
static void crash_recovery(struct run *run, struct image *img, struct rng *rng,
			   u32 depth, const struct found *found)
{
	struct inner inner = {
		.run = run, .rng = rng, .expect = found, .depth = depth,
	};
	struct disks disks;
	struct vol *v;
	int err;

	disks_init(&disks, &run->calm, rng, img);
	disks.event = inner_event;
	disks.arg = &inner;
	v = vol_new(&run->calm, &disks, rng);
	inner.vol = v;
	v->partial = rng_pct(rng, 30);
	err = vol_activate(v);
	if (err)
		run_fail(run, "recovery fails the second time: error %d", err);
	vol_free(v);
	disks_free(&disks);
}

/*
 * Whatever a crash cut short, what was forgotten has to be erased in the end.
 */
static void check_erased(struct run *run, struct vol *v)
{
	const struct image *img = &v->disks->durable;
	char why[1000];

	if (!erase_check(img, &run->conf, &run->model, false, why, sizeof(why)))
		run_fail(run, "after a crash: %s", why);
	v->disks->event = NULL;
	if (!vol_close(v))
		run_fail(run, "can't be closed after a crash");
	if (!erase_check(img, &run->conf, &run->model, true, why, sizeof(why)))
		run_fail(run, "closed after a crash: %s", why);
}

/* A superblock that was committed is there, or a newer one. */
static void check_epoch(struct run *run, const struct vol *v, u64 least)
{
	/* One that can't be read is passed over if its log isn't there either. */
	if (v->bad_super < 0 && v->loaded < least)
		run_fail(run, "superblock %lu was committed, and %lu is found",
			 least, v->loaded);
}

/**
 * look() - activate a volume read-only, and compare what it shows
 * @run: the run
 * @disks: nothing is under way on them
 * @found: receives what there is
 *
 * It shows what the disks hold now, be it in their caches, and leaves them alone.
 */
void look(struct run *run, struct disks *disks, struct found *found)
{
	struct rng rng = { .state = disks->clock };
	struct image now = { 0 };
	u64 clock = disks->clock;
	struct vol *v = vol_new(&run->calm, disks, &rng);
	char why[1000];
	int err;

	now.tok = disks_tokens(disks, &now.src);
	v->read_only = true;
	v->in_memory = &now;
	err = vol_activate(v);
	if (err)
		run_fail(run, "can't be activated read-only: error %d", err);
	if (disks->clock != clock)
		run_fail(run, "a read-only activation writes");
	if (!model_check(&run->model, v, &now, found, why, sizeof(why)))
		run_fail(run, "read-only: %s", why);
	vol_free(v);
	image_free(&now);
	run->stats->read_only++;
}

/* Recover @img, which is used up and may be of a recovery cut, and compare. */
static void explore(struct run *run, struct image *img, struct rng *rng,
		    const struct inner *outer)
{
	const struct found *expect = outer ? outer->expect : NULL;
	u32 depth = outer ? outer->depth + 1 : 0;
	bool again = depth < MAX_DEPTH &&
		     rng_permille(rng, depth ? run->nested / 10 : run->nested);
	struct image copy;
	struct disks disks;
	struct found found, looked;
	bool looks;
	struct vol *v;
	char why[1000];
	struct inner inner = { .run = run, .rng = rng, .depth = depth };
	u32 hot;
	int err;

	if (again)
		image_copy(&copy, img);
	disks_init(&disks, &run->calm, rng, img);
	v = vol_new(&run->calm, &disks, rng);
	inner.vol = v;
	if (outer)
		memcpy(v->skipped, outer->vol->skipped, run->conf.hot);
	/*
	 * The recovery before may have committed, as it was and torn, what it
	 * couldn't look at.
	 */
	for (hot = 0; outer && hot < run->conf.hot; hot++)
		v->unsure[hot] = outer->vol->unsure[hot] ||
				 vol_unreadable(outer->vol, hot);
	v->partial = rng_pct(rng, 10);
	v->read_errors = run->conf.fail_read && rng_pct(rng, 20);
	v->read_seed = rng_next(rng);
	v->log_errors = run->conf.fail_read && mix(v->read_seed) % 10 == 0;
	if (v->log_errors && !disks.durable.super_failed)
		v->bad_super = (int)(mix(v->read_seed + 1) % 6) - 4;
	if (v->bad_super < 0)
		v->bad_super = -1;
	looks = !outer && mix(v->read_seed + 2) % 50 == 0;
	if (looks) {
		found_init(&looked, &run->conf);
		look(run, &disks, &looked);
	}
	if (v->read_errors && depth < MAX_DEPTH &&
	    rng_permille(rng, run->nested)) {
		/*
		 * After that nothing is known of what is read, so nothing is
		 * expected.
		 */
		disks.event = inner_event;
		disks.arg = &inner;
	}
	found_init(&found, &run->conf);
	err = vol_activate(v);
	run->stats->states++;
	run->stats->torn += v->rec.torn;
	run->stats->unread += v->rec.unread;
	run->stats->redone += v->rec.redone;
	run->stats->replayed += v->rec.end - v->rec.start;
	run->stats->log_unread += !err && v->rec.end_unread;
	if (!err && v->must_refuse)
		run_fail(run, "block %lu of the log can't be read, and passes for its end",
			 v->bad_log);
	if (err) {
		/* The older superblock's tree may be overwritten in part. */
		if (!v->refused && v->bad_super < 0)
			run_fail(run, "recovery fails: error %d", err);
		run->stats->refused++;
		again = again && (image_free(&copy), false);
	} else {
		check_epoch(run, v, outer ? outer->vol->state.epoch : run->epoch);
		run->stats->super_unread += v->bad_super >= 0;
		if (!model_check(&run->model, v, &disks.durable, &found, why,
				 sizeof(why)))
			run_fail(run, "after %s: %s", depth ?
				 "recovery was cut" : "a crash", why);
		if (expect && !v->read_errors &&
		    !found_equal(expect, &found, &run->conf, &hot))
			run_fail(run,
				 "recovery, cut and repeated, comes to another result: sector %u",
				 hot);
		if (looks && !v->read_errors && !v->log_errors &&
		    !found_equal(&looked, &found, &run->conf, &hot))
			run_fail(run, "read-only it shows something else: sector %u",
				 hot);
		if (rng_permille(rng, 20))
			check_erased(run, v);
	}
	if (looks)
		found_free(&looked);
	if (again && (v->read_errors || v->log_errors)) {
		/* There is nothing to compare this with. */
		image_free(&copy);
		again = false;
	}
	vol_free(v);
	disks_free(&disks);
	if (again)
		crash_recovery(run, &copy, rng, depth, &found);
	found_free(&found);
}

/* An event has changed what a crash may leave: try some crashes. */
void crash_event(struct disks *disks, void *arg)
{
	struct run *run = arg;
	u32 i;

	run->events++;
	for (i = 0; i < run->per_event; i++) {
		struct rng rng = {
			.state = mix(run->seed ^ mix(run->events * 256 + i)),
		};
		struct image img;

		run->crash = i;
		disks_crash(disks, &rng, &img);
		explore(run, &img, &rng, NULL);
	}
}

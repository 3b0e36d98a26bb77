// SPDX-License-Identifier: GPL-2.0-only
/*
 * damage: damage a volume's blocks, one at a time, and judge what is lost.
 *
 * usage: damage plan closed|cut		commands for mkvol
 *	  damage check DIR STEP [PICK]		what the tool says, in the current directory
 *	  damage trials DIR DATA SIDE STEP [PICK]	what the target does
 *
 * DIR has vk, mk0 to mk3, and the images that mkvol made by those commands: closed.d,
 * closed.s, cut.d, cut.s.  DATA and SIDE are block devices in memory.  Every kind
 * of block is tried, and of the others every STEP-th.  PICK: only spots of that
 * kind, or this block: data:N, side:N.
 */
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "trial.h"

static struct {
	uint32_t	trials, failed, no_open, no_read;
	uint32_t	tried;	/* bit for each enum damage */
	uint32_t	lost, for_good;
	struct spot	worst;
} sums[2][NR_KINDS];

static uint32_t trials, failures;
static const char *pick;

static struct image map_image(const char *dir, const char *name, size_t skip,
			      size_t bytes)
{
	struct image i = { .bytes = bytes };
	char path[300];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) || st.st_size < (off_t)(skip + bytes))
		errx(1, "%s: not an image of the volume", path);
	i.data = mmap(NULL, skip + bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	if (i.data == MAP_FAILED)
		err(1, "%s", path);
	i.data += skip;
	close(fd);
	return i;
}

static bool picked(const struct spot *s)
{
	char name[40];

	if (!pick)
		return true;
	snprintf(name, sizeof(name), "%s:%llu",
		 s->dev == ON_DATA ? "data" : "side",
		 (unsigned long long)s->block);
	return !strcmp(pick, name) || !strcmp(pick, kind_names[s->kind]);
}

/* Some bit anywhere in it, another one in each. */
static unsigned int which_bit(const struct spot *s)
{
	unsigned int bit = s->block * 7919 + s->dev;

	/* The rest of a superblock's block is zeros that nobody reads. */
	return bit % ((s->kind <= SUPER_OLD ? 512 : BLOCK) * 8);
}

enum { AS_IT_IS, WITH_REPAIR, GIVING_UP };

static void try(const struct spot *s, enum vol_state state, enum damage damage,
		int how)
{
	struct trial t = {
		.spot = *s, .damage = damage, .state = state,
		.repair = how == WITH_REPAIR, .give_up = how == GIVING_UP,
		.flip = which_bit(s),
	};
	struct result r;

	trial_run(&t, &r);
	trials++;
	failures += r.failed;
	sums[state][s->kind].trials++;
	sums[state][s->kind].tried |= 1U << damage;
	sums[state][s->kind].failed += r.failed;
	sums[state][s->kind].no_open += !r.opens && r.reads;
	sums[state][s->kind].no_read += !r.reads;
	if (sums[state][s->kind].for_good < r.lost_for_good)
		sums[state][s->kind].for_good = r.lost_for_good;
	if (sums[state][s->kind].lost < r.lost) {
		sums[state][s->kind].lost = r.lost;
		sums[state][s->kind].worst = *s;
	}
}

/* How many of a kind are tried with all that can happen to a block. */
static unsigned int of_kind(const struct spot *s)
{
	return s->kind == OTHER_PLACE && s->level ? -1 : 1;
}

/* What was cut, and meets what does not pass: it opens again if one says so. */
static void try_cures(const struct spot *s)
{
	if (check_repairs(s, PENDING))
		try(s, CUT, PENDING, WITH_REPAIR);
	if (s->kind <= SUPER_OLD || s->kind == LOG_BLOCK || s->kind == LOG_DATA)
		try(s, CUT, PENDING, GIVING_UP);
	if (s->kind == DATA_LOGGED || s->kind == DATA_OPEN)
		try(s, CUT, BOTH, GIVING_UP);
}

/*
 * One of every kind, with all that can happen to it; inner nodes, and every @step-th
 * block in one of the two states, with one thing, in turn.
 */
static void try_state(enum vol_state state, unsigned int step)
{
	uint32_t seen[NR_KINDS] = { 0 }, nth = 0, turn = state;

	for (int dev = 0; dev < NR_DEVS; dev++)
		for (uint64_t b = 0; b < layout_blocks(dev); b++) {
			struct spot s = layout_spot(dev, b);
			bool all = seen[s.kind] < of_kind(&s);
			bool one = !seen[s.kind] || s.kind == INNER ||
				   !((nth + state * step) % (2 * step));

			nth++;
			if (pick ? !picked(&s) : !all && !one)
				continue;
			seen[s.kind]++;
			for (enum damage d = FLIP; d < NR_DAMAGES; d++)
				if (all || pick || turn % NR_DAMAGES == d)
					try(&s, state, d, AS_IT_IS);
			if ((all || pick) && state == CUT)
				try_cures(&s);
			turn++;
		}
}

static void table(void)
{
	printf("%-28s %-7s %7s %7s %9s %9s %9s\n", "block", "state",
	       "trials", "failed", "lost", "for good", "no open");
	for (int k = 0; k < NR_KINDS; k++)
		for (int s = CLOSED; s <= CUT; s++)
			if (sums[s][k].trials)
				printf("%-28s %-7s %7u %7u %9u %9u %9u\n",
				       kind_names[k], s ? "cut" : "closed",
				       sums[s][k].trials, sums[s][k].failed,
				       sums[s][k].lost, sums[s][k].for_good,
				       sums[s][k].no_open + sums[s][k].no_read);
}

/* Was each kind that there is damaged in every way, in both states it occurs in? */
static void complete(void)
{
	for (int k = 0; k < NR_KINDS; k++)
		for (int s = CLOSED; s <= CUT; s++)
			if (sums[s][k].trials &&
			    sums[s][k].tried != (1U << NR_DAMAGES) - 1) {
				printf("FAIL: %s, %s: not damaged in every way\n",
				       kind_names[k], s ? "cut" : "closed");
				failures++;
			}
}

/* Flips and zeros for "inocrypt check", of every kind and every @step-th block. */
static void check_state(enum vol_state state, unsigned int step, struct image data,
			struct image side)
{
	uint32_t seen[NR_KINDS] = { 0 }, nth = 0;

	for (int dev = 0; dev < NR_DEVS; dev++)
		for (uint64_t b = 0; b < layout_blocks(dev); b++) {
			struct trial t = {
				.spot = layout_spot(dev, b), .state = state,
			};
			bool all = seen[t.spot.kind] < of_kind(&t.spot);
			bool one = !(nth++ % step);

			if (pick ? !picked(&t.spot) : !all && !one)
				continue;
			seen[t.spot.kind]++;
			for (t.damage = FLIP; t.damage <= ZERO; t.damage++) {
				t.flip = which_bit(&t.spot);
				trials++;
				failures += !check_trial(&t, data, side);
			}
		}
}

static int run_check(char **argv)
{
	const char *dir = argv[0];
	char vk[300], data[300], side[300];
	unsigned int step = atoi(argv[1]);

	snprintf(vk, sizeof(vk), "%s/vk", dir);
	snprintf(data, sizeof(data), "%s/closed.d", dir);
	snprintf(side, sizeof(side), "%s/closed.s", dir);
	pick = argv[2];
	layout_read(vk, data, side);
	check_keys(dir);
	for (int state = CLOSED; state <= CUT; state++) {
		plan_make(state, NULL);
		check_state(state, step ? step : 1,
			    map_image(dir, state ? "cut.d" : "closed.d", 0,
				      layout_data_offset() +
				      layout_blocks(ON_DATA) * BLOCK),
			    map_image(dir, state ? "cut.s" : "closed.s", 0,
				      layout_blocks(ON_SIDE) * BLOCK));
	}
	printf("%u checks, %u failed\n", trials, failures);
	return failures ? 1 : 0;
}

static int run(char **argv)
{
	const char *dir = argv[0], *disks[NR_DEVS] = { argv[1], argv[2] };
	char vk[300], data[300], side[300];
	unsigned int step = atoi(argv[3]);
	struct timespec t0, t1;

	snprintf(vk, sizeof(vk), "%s/vk", dir);
	snprintf(data, sizeof(data), "%s/closed.d", dir);
	snprintf(side, sizeof(side), "%s/closed.s", dir);
	pick = argv[4];
	layout_read(vk, data, side);
	check_keys(dir);
	trial_setup(disks, vk);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	for (int state = CLOSED; state <= CUT; state++) {
		plan_make(state, NULL);
		trial_images(map_image(dir, state ? "cut.d" : "closed.d",
				       layout_data_offset(),
				       layout_blocks(ON_DATA) * BLOCK),
			     map_image(dir, state ? "cut.s" : "closed.s", 0,
				       layout_blocks(ON_SIDE) * BLOCK));
		try_state(state, step ? step : 1);
	}
	clock_gettime(CLOCK_MONOTONIC, &t1);
	table();
	complete();
	printf("%u trials, %u failed, %lld ms each\n", trials, failures,
	       trials ? ((long long)(t1.tv_sec - t0.tv_sec) * 1000 +
			 (t1.tv_nsec - t0.tv_nsec) / 1000000) / trials : 0);
	return failures ? 1 : 0;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 3 && !strcmp(argv[1], "plan")) {
		plan_make(!strcmp(argv[2], "cut") ? CUT : CLOSED, stdout);
		return 0;
	}
	if ((argc == 4 || argc == 5) && !strcmp(argv[1], "check"))
		return run_check(argv + 2);
	if ((argc == 6 || argc == 7) && !strcmp(argv[1], "trials"))
		return run(argv + 2);
	fputs("usage: damage plan closed|cut\n"
	      "       damage check DIR STEP [PICK]\n"
	      "       damage trials DIR DATA SIDE STEP [PICK]\n", stderr);
	return 2;
}

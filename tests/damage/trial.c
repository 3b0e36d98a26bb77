// SPDX-License-Identifier: GPL-2.0-only
/*
 * damage: trials in a VM.  Each puts the volume back as it was, damages one block,
 * opens it, reads every sector, writes some, and opens it once more.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <keyutils.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devmapper.h"
#include "trial.h"

#define MIB		0x100000
#define AT_ONCE		64	/* sectors read at a time */
#define VOLUME		"damage-vol"
#define GIVE_UP		"3 raw give_up_unwritable give_up_unreadable"

/* What a sector read as: contents(), or */
#define FAILED		(-2)

static const char * const below[NR_DEVS] = { "damage-data", "damage-side" };
static struct image images[NR_DEVS];
static int devs[NR_DEVS];
static uint8_t *buf;
static bool failed;		/* this trial */
static const char *what;	/* it is doing */
static const struct trial *now;

static void complain(const char *fmt, ...)
{
	va_list ap;

	printf("FAIL: %s, %s, %s %llu (level %u, %llu), %s: ",
	       now->state == CUT ? "cut" : "closed",
	       kind_names[now->spot.kind],
	       now->spot.dev == ON_DATA ? "sector" : "block",
	       (unsigned long long)now->spot.block, now->spot.level,
	       (unsigned long long)now->spot.index,
	       damage_names[now->damage]);
	if (what)
		printf("%s: ", what);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	failed = true;
}

/* Where the volume's part of a device begins, in bytes: there is no LUKS2 header. */
static uint64_t start_of(int dev)
{
	return dev == ON_DATA ? layout_data_offset() : 0;
}

static void add_key_file(const char *desc, const char *path)
{
	uint8_t key[32];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, key, sizeof(key)) != sizeof(key))
		errx(1, "%s: no key", path);
	close(fd);
	if (add_key("logon", desc, key, sizeof(key),
		    KEY_SPEC_PROCESS_KEYRING) < 0)
		err(1, "keyring");
}

/**
 * trial_setup() - make the devices below, which can have a bad block
 * @disks: memory that is a block device, by ON_DATA and ON_SIDE
 * @vk: file of the volume key; master keys are beside it
 */
void trial_setup(const char * const disks[NR_DEVS], const char *vk)
{
	char path[200], params[200];
	const char *bad;

	dm_quiet();
	for (int d = 0; d < NR_DEVS; d++) {
		devs[d] = open(disks[d], O_RDWR | O_DIRECT | O_CLOEXEC);
		if (devs[d] < 0)
			err(1, "%s", disks[d]);
		snprintf(params, sizeof(params), "%s 0", disks[d]);
		bad = dm_make(below[d], (start_of(d) + layout_blocks(d) *
					 BLOCK) / 512,
			      "badblock", params, false);
		if (bad)
			errx(1, "%s: %s", below[d], bad);
	}
	add_key_file("damage:vk", vk);
	for (unsigned int i = 0; i < NR_KEYS; i++) {
		char desc[32];

		snprintf(path, sizeof(path), "%.*s/mk%u",
			 (int)(strrchr(vk, '/') - vk), vk, i);
		snprintf(desc, sizeof(desc), "damage:mk%u", i);
		add_key_file(desc, path);
	}
	if (posix_memalign((void **)&buf, BLOCK, MIB))
		errx(1, "out of memory");
}

/**
 * trial_images() - the volume that the next trials begin with
 * @data: contents of the data area
 * @side: contents of the sidecar
 */
void trial_images(struct image data, struct image side)
{
	images[ON_DATA] = data;
	images[ON_SIDE] = side;
}

static void restore(void)
{
	for (int d = 0; d < NR_DEVS; d++)
		for (size_t at = 0; at < images[d].bytes; at += MIB) {
			size_t n = images[d].bytes - at;

			if (n > MIB)
				n = MIB;
			memcpy(buf, images[d].data + at, n);
			if (pwrite(devs[d], buf, n, start_of(d) + at) !=
			    (ssize_t)n)
				err(1, "can't put the volume back");
		}
}

static void make_damage(const struct trial *t)
{
	uint64_t at = t->spot.block * BLOCK;
	char message[80];

	if (t->damage <= ZERO) {
		memcpy(buf, images[t->spot.dev].data + at, BLOCK);
		if (t->damage == FLIP)
			buf[t->flip / 8 % BLOCK] ^= 1 << t->flip % 8;
		else
			memset(buf, 0, BLOCK);
		if (pwrite(devs[t->spot.dev], buf, BLOCK,
			   start_of(t->spot.dev) + at) != BLOCK)
			err(1, "can't damage the volume");
		return;
	}
	snprintf(message, sizeof(message), "bad %llu %d %s",
		 (unsigned long long)(start_of(t->spot.dev) + at) / 512,
		 BLOCK / 512,
		 damage_names[t->damage]);
	dm_send(below[t->spot.dev], message);
}

static void heal(void)
{
	for (int d = 0; d < NR_DEVS; d++)
		dm_send(below[d], "good");
}

static const char *open_volume(bool readonly)
{
	char params[200], message[80];
	const char *bad;

	snprintf(params, sizeof(params),
		 "/dev/mapper/%s %llu /dev/mapper/%s 0 :32:logon:damage:vk %s",
		 below[ON_DATA], (unsigned long long)start_of(ON_DATA) / 512,
		 below[ON_SIDE], now->give_up ? GIVE_UP : "1 raw");
	bad = dm_make(VOLUME, SECTORS * BLOCK / 512, "inocrypt", params,
		      readonly);
	for (unsigned int i = 0; !bad && i < NR_KEYS; i++) {
		snprintf(message, sizeof(message),
			 "key add :32:logon:damage:mk%u", i);
		/* Which sectors fail without the key says enough. */
		dm_tell(VOLUME, message);
	}
	return bad;
}

static int open_device(int flags)
{
	int fd = open("/dev/mapper/" VOLUME, flags | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		err(1, "can't open the volume's device");
	return fd;
}

static void close_volume(void)
{
	if (!dm_drop(VOLUME))
		errx(1, "can't take the volume away");
}

/* All at once, or, where that fails, in parts of 8, and these one by one. */
static void read_some(int fd, uint32_t first, uint32_t n, int got[SECTORS])
{
	uint32_t part = n > 8 ? 8 : 1;

	if (pread(fd, buf, n * BLOCK, (off_t)first * BLOCK) == n * BLOCK) {
		for (uint32_t k = 0; k < n; k++)
			got[first + k] = contents(first + k, buf + k * BLOCK);
	} else if (n == 1) {
		got[first] = FAILED;
	} else {
		for (uint32_t k = 0; k < n; k += part)
			read_some(fd, first + k, n - k < part ? n - k : part,
				  got);
	}
}

static void read_all(int got[SECTORS])
{
	int fd = open_device(O_RDONLY);

	for (uint32_t i = 0; i < SECTORS; i += AT_ONCE)
		read_some(fd, i, SECTORS - i < AT_ONCE ? SECTORS - i : AT_ONCE,
			  got);
	close(fd);
}

/* Judge what was read.  Returns how many sectors are errors. */
static uint32_t judge(const int got[SECTORS], const struct expected *e)
{
	uint32_t errors = 0, unexpected = 0, old = 0, wrong = 0, first = 0;

	for (uint32_t i = 0; i < SECTORS; i++) {
		const struct planned *p = plan_sector(i);
		int want = e->written[i] ? PROBE : p->now;
		bool bad = true;

		if (got[i] == FAILED)
			errors++;
		if (got[i] == want || (got[i] == FAILED && e->lost[i]))
			bad = false;
		else if (got[i] == FAILED)
			unexpected++;
		else if (got[i] < 0)
			wrong++;
		else if ((e->old[i] && !e->written[i] && p->had & 1U << got[i]) ||
			 (e->maybe[i] && (got[i] == PROBE || got[i] == p->now)))
			bad = false;
		else
			old++;
		if (bad && !first)
			first = i + 1;
	}
	if (first)
		complain("%u lost that should not be, %u old or zeros, %u wrong; "
			 "sector %u reads as %d, not %u",
			 unexpected, old, wrong, first - 1, got[first - 1],
			 plan_sector(first - 1)->now);
	return errors;
}

static void judge_status(uint32_t errors, bool ok)
{
	static const char * const counters[] = {
		"auth_failures", "node_auth_failures", "io_errors",
		"key_missing", "super_lost", "owner_mismatches",
	};
	char line[4096];
	uint64_t n, sum = 0;

	dm_status(VOLUME, line, sizeof(line));
	if (ok && strncmp(line, "ok ", 3))
		complain("status says: %.60s", line);
	for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++)
		if (dm_status_field(VOLUME, counters[i], &n))
			sum += n;
	if (errors && !sum)
		complain("%u sectors are errors, and no counter says so",
			 errors);
}

static bool write_sector(int fd, uint32_t sector)
{
	fill(sector, PROBE, buf);
	return pwrite(fd, buf, BLOCK, (off_t)sector * BLOCK) == BLOCK &&
	       !fsync(fd);
}

/* A sector that nothing happened to; the last one, whatever the damage. */
static uint32_t whole_sector(const struct expected *e)
{
	uint32_t i = SECTORS - 1;

	while (i && (e->lost[i] || e->old[i] ||
		     (now->spot.dev == ON_DATA && now->spot.block == i)))
		i--;
	return i;
}

/* Write a sector that is well, and one that is lost. */
static void write_some(const int got[SECTORS], struct expected *e)
{
	uint32_t well = whole_sector(e), i;
	bool refuses = now->damage == WRITE || now->damage == BOTH;
	int fd = open_device(O_RDWR);

	if (write_sector(fd, well))
		e->written[well] = true;
	else if (refuses)
		e->maybe[well] = true;
	else
		complain("sector %u can't be written", well);
	for (i = 0; i < SECTORS && got[i] != FAILED; i++)
		;
	if (i < SECTORS && (now->damage <= ZERO || now->repair)) {
		if (write_sector(fd, i))
			e->written[i] = true;
		else if (now->spot.kind != INNER || now->repair)
			complain("sector %u, which is lost, can't be written",
				 i);
	}
	close(fd);
	if (dm_tell(VOLUME, "checkpoint") && !refuses)
		complain("a checkpoint fails");
}

/* What is well stays so; what was lost may come back, but only as it was. */
static void narrow(const int got[SECTORS], struct expected *e)
{
	for (uint32_t i = 0; i < SECTORS; i++) {
		if (got[i] != FAILED)
			e->lost[i] = false;
		if (got[i] == plan_sector(i)->now)
			e->old[i] = false;
	}
}

static bool opened(const struct expected *e, bool readonly)
{
	const char *bad = open_volume(readonly);

	if (bad && (readonly ? e->reads : e->opens))
		complain("does not open%s: %s", readonly ? " read-only" : "",
			 bad);
	return !bad;
}

/*
 * The error of a device is not final: once it works again all is there.  Only the
 * log's newest block, if it can't be read, passes for the log's end.
 */
static void passes(const struct trial *t, const struct result *r,
		   struct expected *e)
{
	bool end = (t->spot.kind == LOG_BLOCK || t->spot.kind == LOG_DATA) &&
		   r->opens;

	if (!end) {
		memset(e->lost, 0, sizeof(e->lost));
		memset(e->old, 0, sizeof(e->old));
	}
	e->opens = true;
}

/* Let the tool find the damage, and undo it. */
static void repair(void)
{
	char paths[NR_DEVS][40];
	int rc;

	for (int d = 0; d < NR_DEVS; d++)
		snprintf(paths[d], sizeof(paths[d]), "/dev/mapper/%s", below[d]);
	rc = check_run(paths[ON_DATA], paths[ON_SIDE], false);
	if (!check_grade(&now->spot, now->damage, rc)) {
		complain("check's exit code is %d", rc);
		check_show();
	}
	rc = check_run(paths[ON_DATA], paths[ON_SIDE], true);
	/* What a log that ends earlier leaves behind is damage, too. */
	if (check_repairs(&now->spot, now->damage) && rc != 9 &&
	    !(rc == 8 && (now->spot.kind == LOG_BLOCK ||
			  now->spot.kind == LOG_DATA))) {
		complain("check --repair's exit code is %d", rc);
		check_show();
	}
}

/**
 * trial_run() - one trial
 * @t: what to damage, and how
 * @r: receives what came of it
 */
void trial_run(const struct trial *t, struct result *r)
{
	int got[SECTORS];
	struct expected e;

	now = t;
	what = NULL;
	failed = false;
	memset(r, 0, sizeof(*r));
	expect(&t->spot, t->damage, t->state, &e);
	restore();
	make_damage(t);
	if (t->repair)
		repair();
	if (t->repair || t->give_up)
		e.opens = true;
	r->opens = opened(&e, false);
	r->reads = r->opens || opened(&e, true);
	if (r->reads) {
		read_all(got);
		r->lost = judge(got, &e);
		judge_status(r->lost, t->damage != WRITE && t->damage != BOTH);
		narrow(got, &e);
		if (r->opens) {
			what = "after writing";
			write_some(got, &e);
			if (t->spot.kind != INNER || t->repair) {
				read_all(got);
				judge(got, &e);
				narrow(got, &e);
			}
		}
		close_volume();
	}
	what = "opened again";
	if (t->damage > ZERO) {
		heal();
		what = "once the device works again";
		if (!t->repair && !t->give_up)
			passes(t, r, &e);
	}
	if (opened(&e, false)) {
		read_all(got);
		r->lost_for_good = judge(got, &e);
		close_volume();
	}
	r->failed = failed;
}

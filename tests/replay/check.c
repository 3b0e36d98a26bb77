// SPDX-License-Identifier: GPL-2.0-only
/*
 * replay check: cut the log at flushes and FUA writes, and see at each cut that
 * the volume opens, mounts, holds what was synced, and passes e2fsck.
 *
 * The log is replayed to one device up to a cut; what recovery and mounting
 * write goes to a snapshot of it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "replay.h"

#define MAX_FAILURES	5
#define SNAP		"replay-snap"
#define VOL		"replay-vol"
#define MAPPER		"/dev/mapper/"

/**
 * struct point - a place to cut the log at
 * @end: number of entries that are durable there: up to a flush or FUA write,
 *	and the marks that follow it
 * @tail: end of the writes from @end on that may be on the disk or not: those
 *	before the next flush, if no FUA write comes first that they may have
 *	waited for
 */
struct point {
	size_t end, tail;
	bool fua, marked;
};

enum { OPEN, MOUNT, VERIFY, UMOUNT, FSCK, CLOSE, STAGES };

static const char *const stage_name[STAGES] = {
	"open", "mount", "verify", "umount", "fsck", "close",
};

static struct log wlog;
static struct point *points;
static size_t npoints;
static struct model *models[MAX_TASKS];
static struct db_model dbs[MAX_TASKS];
static bool started[MAX_TASKS];
static int base_fd;
static uint64_t base_bytes;
static size_t applied;		/* entries of the log that are on the base */
static size_t known;		/* entries whose marks the models know */
static uint64_t spent[STAGES];	/* microseconds */
static unsigned int replays, failures;
static char why[600];

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

/* A mark "TASK:STEP"; false if it is another one. */
static bool parse_mark(const struct entry *e, unsigned int *task,
		       unsigned int *n)
{
	char text[64];

	if (!(e->flags & LOG_MARK))
		return false;
	snprintf(text, sizeof(text), "%.*s", (int)e->text_len, e->data);
	return sscanf(text, "%u:%u", task, n) == 2 && *task < opt.ntasks;
}

static size_t find_start(void)
{
	for (size_t i = 0; i < wlog.count; i++) {
		const struct entry *e = &wlog.entries[i];

		if (e->flags & LOG_MARK &&
		    e->text_len == strlen(START_MARK) &&
		    !memcmp(e->data, START_MARK, e->text_len))
			return i;
	}
	die("%s: no mark \"%s\"", opt.log, START_MARK);
}

/* Where the writes end that the flush after entry @i made durable */
static size_t find_tail(size_t i)
{
	size_t from = i;

	while (i < wlog.count && !(wlog.entries[i].flags &
				   (LOG_FLUSH | LOG_FUA | LOG_MARK)))
		i++;
	/* The last ones were never flushed. */
	return i < wlog.count && wlog.entries[i].flags & LOG_FLUSH ? i : from;
}

static void find_points(void)
{
	size_t i = find_start(), news = 0;

	points = calloc(wlog.count + 1, sizeof(*points));
	if (!points)
		die("out of memory");
	while (++i < wlog.count) {
		const struct entry *e = &wlog.entries[i];
		struct point *p = &points[npoints];

		news += e->sectors || e->flags & LOG_MARK;
		if (!(e->flags & (LOG_FLUSH | LOG_FUA)))
			continue;
		while (i + 1 < wlog.count &&
		       wlog.entries[i + 1].flags & LOG_MARK) {
			i++;
			news++;
		}
		if (!news)
			continue;
		news = 0;
		p->marked = wlog.entries[i].flags & LOG_MARK;
		p->fua = e->flags & LOG_FUA;
		p->end = i + 1;
		p->tail = find_tail(i + 1);
		npoints++;
	}
	if (!npoints)
		die("%s: no flush after the start", opt.log);
}

static void apply_to(size_t end)
{
	for (; applied < end; applied++)
		entry_apply(&wlog, &wlog.entries[applied], base_fd);
}

/* The models learn from the marks up to @end what is synced. */
static void learn_to(size_t end)
{
	unsigned int t, n;
	struct op op;

	for (; known < end; known++) {
		if (!parse_mark(&wlog.entries[known], &t, &n))
			continue;
		started[t] = true;
		if (opt.tasks[t].kind == TASK_DB) {
			while (dbs[t].done < n)
				db_apply(&dbs[t]);
			continue;
		}
		while (models[t]->done < n) {
			model_next(models[t], &op);
			model_apply(models[t], &op, true);
		}
	}
}

/* The last step of a task that may have begun at a cut: it isn't marked there. */
static unsigned int last_begun(const struct task *t, size_t end)
{
	unsigned int task, n;

	for (; end < wlog.count; end++)
		if (parse_mark(&wlog.entries[end], &task, &n) &&
		    task == t->index)
			return n;
	return t->steps;
}

/* A part of the writes from @from to @to, as a cache loses the others */
static void apply_some(size_t from, size_t to, uint64_t seed)
{
	static const unsigned int percents[] = { 5, 50, 50, 90, 100 };
	int fd = open(MAPPER SNAP, O_RDWR | O_DIRECT | O_CLOEXEC);
	unsigned int percent = percents[below(&seed, 5)];

	if (fd < 0)
		die("%s: %s", MAPPER SNAP, strerror(errno));
	for (; from < to; from++) {
		const struct entry *e = &wlog.entries[from];
		uint64_t bytes = e->sectors * wlog.sector_size, cut;

		if (below(&seed, 100) >= percent)
			continue;
		/* Of a long one sometimes only the beginning, or the end */
		if (bytes > BLOCK && below(&seed, 4) == 0) {
			cut = BLOCK * (1 + below(&seed, (bytes - 1) / BLOCK));
			if (below(&seed, 2))
				entry_apply_part(&wlog, e, fd, 0, cut);
			else
				entry_apply_part(&wlog, e, fd, cut,
						 bytes - cut);
		} else {
			entry_apply(&wlog, e, fd);
		}
	}
	close(fd);
}

static const char *read_all(int dir, const char *name)
{
	static uint8_t buf[1 << 18];
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
			O_CLOEXEC);
	ssize_t n;

	if (fd < 0) {
		snprintf(why, sizeof(why), "%s: %s", name, strerror(errno));
		return why;
	}
	do {
		n = read(fd, buf, sizeof(buf));
	} while (n > 0);
	if (n < 0)
		snprintf(why, sizeof(why), "read of %s: %s", name,
			 strerror(errno));
	close(fd);
	return n < 0 ? why : NULL;
}

/* Every file can be read, whatever it holds. */
static const char *verify_readable(const char *name)
{
	const char *bad = NULL;
	const struct dirent *d;
	char path[256];
	struct stat st;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%s", opt.mnt, name);
	dir = opendir(path);
	if (!dir) {
		snprintf(why, sizeof(why), "%s: %s", path, strerror(errno));
		return why;
	}
	while (!bad && (d = readdir(dir))) {
		if (fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW)) {
			snprintf(why, sizeof(why), "%s/%s: %s", path,
				 d->d_name, strerror(errno));
			bad = why;
		} else if (S_ISREG(st.st_mode)) {
			bad = read_all(dirfd(dir), d->d_name);
		}
	}
	closedir(dir);
	return bad;
}

static const char *verify_files(const struct task *t, size_t end)
{
	struct model *m = model_copy(models[t->index]);
	unsigned int last = last_begun(t, end);
	const char *bad;
	struct op op;

	while (m->done < last) {
		model_next(m, &op);
		model_apply(m, &op, false);
	}
	bad = model_verify(m, opt.mnt, why, sizeof(why));
	model_free(m);
	return bad;
}

static const char *verify_counters(void)
{
	static const char *const names[] = {
		"auth_failures", "node_auth_failures", "owner_mismatches",
	};
	uint64_t n;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!dm_status_field(VOL, names[i], &n) || !n)
			continue;
		snprintf(why, sizeof(why), "%s is %llu", names[i],
			 (unsigned long long)n);
		return why;
	}
	return NULL;
}

static const char *verify(size_t end)
{
	const char *bad = NULL;

	for (unsigned int i = 0; !bad && i < opt.ntasks; i++) {
		const struct task *t = &opt.tasks[i];

		if (t->kind == TASK_FILES)
			bad = verify_files(t, end);
		else if (started[i])
			bad = db_verify(&dbs[i], opt.mnt, why, sizeof(why));
	}
	for (unsigned int i = 0; !bad && i < opt.nreadable; i++)
		bad = verify_readable(opt.readable[i]);
	return bad ? bad : verify_counters();
}

static const char *e2fsck(void)
{
	char *argv[] = { "e2fsck", "-fn", MAPPER VOL, NULL };
	posix_spawn_file_actions_t fa;
	static const char out[] = "/tmp/replay.fsck";
	char text[400];
	int status, fd;
	ssize_t n;
	pid_t pid;

	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, 1, out,
					 O_WRONLY | O_CREAT | O_TRUNC, 0600);
	posix_spawn_file_actions_adddup2(&fa, 1, 2);
	if (posix_spawnp(&pid, argv[0], &fa, NULL, argv, environ) ||
	    waitpid(pid, &status, 0) < 0)
		die("can't run e2fsck");
	posix_spawn_file_actions_destroy(&fa);
	if (!status)
		return NULL;
	fd = open(out, O_RDONLY | O_CLOEXEC);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n < 0 ? 0 : n] = 0;
	snprintf(why, sizeof(why), "exit code %d: %s", WEXITSTATUS(status),
		 text);
	return why;
}

static const char *do_stage(int stage, size_t end)
{
	switch (stage) {
	case OPEN:
		return volume_open(VOL, MAPPER SNAP);
	case MOUNT:
		return mount(MAPPER VOL, opt.mnt, "ext4", 0, opt.mount_opts) ?
		       strerror(errno) : NULL;
	case VERIFY:
		return verify(end);
	case UMOUNT:
		return umount2(opt.mnt, 0) ? strerror(errno) : NULL;
	case FSCK:
		return e2fsck();
	default:
		return dm_drop(VOL) ? NULL : "can't remove it";
	}
}

static void make_snapshot(void)
{
	struct stat base, cow;
	char params[100];
	const char *bad;

	if (fstat(base_fd, &base) || stat(opt.cow, &cow))
		die("%s: %s", opt.cow, strerror(errno));
	snprintf(params, sizeof(params), "%u:%u %u:%u N 8",
		 major(base.st_rdev), minor(base.st_rdev), major(cow.st_rdev),
		 minor(cow.st_rdev));
	bad = dm_make(SNAP, base_bytes / 512, "snapshot", params, false);
	if (bad)
		die("snapshot: %s", bad);
}

/*
 * One cut: what is on the base, and those writes from @from to @to that @seed
 * picks; the models know what has to be there.
 */
static void replay(const struct point *p, size_t from, size_t to,
		   unsigned int variant, uint64_t seed)
{
	const char *bad = NULL;
	int stage = 0, reached;
	uint64_t t0;

	make_snapshot();
	if (from < to)
		apply_some(from, to, seed);
	while (stage < STAGES && !bad) {
		t0 = now_us();
		bad = do_stage(stage, p->end);
		spent[stage++] += now_us() - t0;
	}
	replays++;
	reached = stage - 1;
	if (bad) {
		failures++;
		if (!opt.lose)
			printf("FAIL: at entry %zu of the log (%s), variant %u: %s: %s\n",
			       p->end - 1, p->fua ? "FUA" : "flush", variant,
			       stage_name[reached], bad);
		/* What was gone through is to be undone. */
		if (reached >= VERIFY && reached <= UMOUNT &&
		    umount2(opt.mnt, 0))
			die("umount: %s", strerror(errno));
		if (reached != OPEN && !dm_drop(VOL))
			die("can't remove %s", VOL);
	}
	if (!dm_drop(SNAP))
		die("can't remove %s", SNAP);
}

static void check_point(size_t i)
{
	const struct point *p = &points[i];
	uint64_t seed = opt.seed * 31 + p->end;

	if (opt.lose) {
		apply_to(i ? points[i - 1].end : find_start());
		learn_to(p->end);
		replay(p, 0, 0, 0, 0);
		return;
	}
	apply_to(p->end);
	learn_to(p->end);
	replay(p, 0, 0, 0, 0);
	if (p->tail == p->end)
		return;
	for (unsigned int v = 1; v <= opt.variants; v++)
		replay(p, p->end, p->tail, v, rnd(&seed));
}

/* Open the devices, prepare the models. */
static void prepare(void)
{
	base_fd = open(opt.base, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (base_fd < 0 || ioctl(base_fd, BLKGETSIZE64, &base_bytes))
		die("%s: %s", opt.base, strerror(errno));
	for (unsigned int i = 0; i < opt.ntasks; i++) {
		dbs[i].task = &opt.tasks[i];
		if (opt.tasks[i].kind == TASK_FILES)
			models[i] = model_new(&opt.tasks[i]);
	}
	dm_quiet();
	volume_prepare();
	log_read(&wlog, opt.log);
	find_points();
}

/**
 * check() - replay to the points that were asked for
 *
 * Return: exit code.
 */
int check(void)
{
	unsigned int done = 0, fua = 0, want;
	uint64_t all = 0;

	prepare();
	want = opt.points && opt.points < npoints ? opt.points : npoints;
	for (unsigned int n = 0; n < want; n++) {
		size_t i = (uint64_t)n * npoints / want;

		/* Only there it is surely said to be durable. */
		while (opt.lose && i + 1 < npoints && !points[i].marked)
			i++;
		if (opt.only_entry >= 0) {
			for (i = 0; i + 1 < npoints && points[i].end - 1 <
			     (size_t)opt.only_entry; i++)
				;
			want = 0;
		}
		if (failures >= (opt.lose ? 1 : MAX_FAILURES))
			break;
		check_point(i);
		done++;
		fua += points[i].fua;
	}
	for (int s = 0; s < STAGES; s++)
		all += spent[s];
	printf("%u points (%u flushes, %u FUA) of %zu, %u replays, %u failed;",
	       done, done - fua, fua, npoints, replays, failures);
	printf(" ms each: %llu", (unsigned long long)all / 1000 / replays);
	for (int s = 0; s < STAGES; s++)
		printf(", %s %llu", stage_name[s],
		       (unsigned long long)spent[s] / 1000 / replays);
	printf("\n");
	return failures ? 1 : 0;
}

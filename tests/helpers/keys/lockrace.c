// SPDX-License-Identifier: GPL-2.0-only
/*
 * lockrace - files used in every way while their key is locked and brought back.
 * libs: -lpthread
 *
 * usage: lockrace DIR KEYFILE SECONDS
 *
 * DIR is an empty directory of a mounted volume, KEYFILE 32 bytes.  Each thread has a file
 * of its own below DIR and knows what each block of it has to hold: what was last written
 * with success, also when the key was locked since.  Errors are allowed only to what meets a
 * lock; wrong bytes never are.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "ext4_owner.h"

#define THREADS	4
#define BLOCKS	64
#define SIZE	4096

/*
 * A block: each word tells file, block and version; version 0: zeros.  The last word is
 * changed by single stores to a mapping, and has a count of these instead.
 */
struct file {
	char path[256];
	unsigned int nr, seed;
	int fd, direct, watch;	/* the last is the locker's */
	uint64_t *map;
	uint64_t next;
	uint64_t sure[BLOCKS];
	uint64_t maybe[BLOCKS];	/* writes from this one on ended with an error; 0: none */
	uint64_t stores[BLOCKS];
	unsigned long ok, refused;
};

static atomic_ulong epoch;	/* odd: the key is being locked, or is locked */
static atomic_bool failed, stop;
static __thread sigjmp_buf bus;
static __thread volatile sig_atomic_t in_map;

static void complain(const struct file *f, unsigned int block, const char *what, uint64_t got)
{
	if (atomic_exchange(&failed, true))
		return;
	fprintf(stderr, "lockrace: %s: block %u: %s (%" PRIx64 "; sure %" PRIu64 ", maybe %" PRIu64
		")\n", f->path, block, what, got, f->sure[block], f->maybe[block]);
}

static uint64_t word(const struct file *f, unsigned int block, uint64_t version, unsigned int i)
{
	if (!version)
		return 0;
	return (uint64_t)(f->nr + 1) << 56 | (uint64_t)block << 48 | version << 12 | i;
}

static void fill(const struct file *f, unsigned int block, uint64_t version, uint64_t *buf)
{
	for (unsigned int i = 0; i < SIZE / 8 - 1; i++)
		buf[i] = word(f, block, version, i);
	buf[SIZE / 8 - 1] = word(f, block, f->stores[block], SIZE / 8 - 1);
}

static bool holds(const struct file *f, unsigned int block, uint64_t version, const uint64_t *buf)
{
	for (unsigned int i = 0; i < SIZE / 8 - 1; i++)
		if (buf[i] != word(f, block, version, i))
			return false;
	return buf[SIZE / 8 - 1] == word(f, block, f->stores[block], SIZE / 8 - 1);
}

/*
 * What a read found has to be what is sure, or one of the writes since that ended with an
 * error: no other block ever had that version.  Then it is known which.
 */
static void judge(struct file *f, unsigned int block, const uint64_t *buf)
{
	uint64_t version = buf[0] >> 12 & 0xfffffffff;

	if (f->maybe[block] && version >= f->maybe[block] && version <= f->next &&
	    holds(f, block, version, buf))
		f->sure[block] = version;
	else if (!holds(f, block, f->sure[block], buf))
		return complain(f, block, "wrong contents", buf[0]);
	f->maybe[block] = 0;
}

/* An error is right only if a lock was met; @since is the epoch before the operation. */
static void judge_error(struct file *f, unsigned int block, unsigned long since, const char *what)
{
	f->refused++;
	if (!(since & 1) && atomic_load(&epoch) == since)
		complain(f, block, what, errno);
}

static void on_bus(int sig)
{
	if (in_map)
		siglongjmp(bus, 1);
	signal(sig, SIG_DFL);
}

static void do_write(struct file *f, unsigned int block, int fd, uint64_t *buf)
{
	unsigned long since = atomic_load(&epoch);
	uint64_t version = ++f->next;
	ssize_t n;

	fill(f, block, version, buf);
	n = pwrite(fd, buf, SIZE, (off_t)block * SIZE);
	if (n == SIZE) {
		f->sure[block] = version;
		f->maybe[block] = 0;
		f->ok++;
		return;
	}
	/* ENOKEY comes before anything is written. */
	if ((n >= 0 || errno != ENOKEY) && !f->maybe[block])
		f->maybe[block] = version;
	judge_error(f, block, since, "write failed");
}

static void do_read(struct file *f, unsigned int block, int fd, uint64_t *buf)
{
	unsigned long since = atomic_load(&epoch);

	if (pread(fd, buf, SIZE, (off_t)block * SIZE) != SIZE)
		return judge_error(f, block, since, "read failed");
	f->ok++;
	judge(f, block, buf);
}

static void do_map(struct file *f, unsigned int block, uint64_t *buf, bool write)
{
	volatile uint64_t *at = f->map + (size_t)block * SIZE / 8;
	volatile unsigned long since = atomic_load(&epoch);

	in_map = 1;
	if (sigsetjmp(bus, 1)) {
		in_map = 0;
		errno = EFAULT;
		judge_error(f, block, since, "SIGBUS");
		return;
	}
	if (write) {
		at[SIZE / 8 - 1] = word(f, block, f->stores[block] + 1, SIZE / 8 - 1);
		f->stores[block]++;
	}
	memcpy(buf, (const void *)at, SIZE);
	in_map = 0;
	f->ok++;
	judge(f, block, buf);
}

/* Make a block a hole, or zeros: refused, and nothing changed, without the key. */
static void do_punch(struct file *f, unsigned int block)
{
	unsigned long since = atomic_load(&epoch);
	int mode = rand_r(&f->seed) % 2 ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;
	int ret = fallocate(f->fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)block * SIZE, SIZE);

	if (ret && errno != ENOKEY && errno != EIO)
		complain(f, block, "punch", errno);
	if (ret)
		return judge_error(f, block, since, "punch failed");
	f->sure[block] = 0;
	f->maybe[block] = 0;
	f->stores[block] = 0;
}

static void do_reopen(struct file *f)
{
	unsigned long since = atomic_load(&epoch);
	int fd = open(f->path, O_RDWR);

	if (fd < 0) {
		if (errno != ENOKEY)
			complain(f, 0, "open", errno);
		return judge_error(f, 0, since, "open failed");
	}
	close(f->fd);
	f->fd = fd;
}

static void *worker(void *arg)
{
	struct file *f = arg;
	uint64_t *buf;

	if (posix_memalign((void **)&buf, SIZE, SIZE))
		err(1, "memory");
	while (!atomic_load(&stop) && !atomic_load(&failed)) {
		unsigned int block = rand_r(&f->seed) % BLOCKS;
		unsigned long since;

		switch (rand_r(&f->seed) % 16) {
		case 0 ... 3:
			do_write(f, block, f->fd, buf);
			break;
		case 4:
			do_write(f, block, f->direct, buf);
			break;
		case 5 ... 8:
			do_read(f, block, f->fd, buf);
			break;
		case 9:
			do_read(f, block, f->direct, buf);
			break;
		case 10 ... 11:
			do_map(f, block, buf, false);
			break;
		case 12 ... 13:
			do_map(f, block, buf, true);
			break;
		case 14:
			since = atomic_load(&epoch);
			if (rand_r(&f->seed) % 4)
				do_punch(f, block);
			else if (fsync(f->fd))
				judge_error(f, block, since, "fsync failed");
			break;
		default:
			do_reopen(f);
		}
	}
	free(buf);
	return NULL;
}

static void check_all(struct file *f)
{
	uint64_t *buf;

	if (posix_memalign((void **)&buf, SIZE, SIZE))
		err(1, "memory");
	for (unsigned int i = 0; i < BLOCKS && !atomic_load(&failed); i++) {
		do_read(f, i, f->direct, buf);
		do_read(f, i, f->fd, buf);
	}
	free(buf);
}

static void add_key(int dir, struct ext4_owner_key_add *add)
{
	add->flags = EXT4_OWNER_KEY_CREATE;
	if (ioctl(dir, EXT4_IOC_OWNER_KEY_ADD, add))
		err(1, "KEY_ADD");
}

/* Nothing of a file under a locked key can be read, be it open, cached or mapped. */
static void check_locked(struct file *f)
{
	char buf[SIZE];

	if (open(f->path, O_RDONLY) >= 0 || errno != ENOKEY)
		errx(1, "a file under a locked key can be opened");
	for (unsigned int i = 0; i < BLOCKS; i++) {
		/* Of holes, zeros can. */
		if (pread(f->watch, buf, SIZE, (off_t)i * SIZE) == SIZE &&
		    (buf[7] || buf[SIZE - 1]))
			errx(1, "%s: block %u can be read", f->path, i);
	}
}

/* Lock the key and bring it back until the time is over. */
static unsigned long lock_often(int dir, struct ext4_owner_key_add *add, struct file *files,
				unsigned int seconds)
{
	time_t end = time(NULL) + seconds;
	unsigned int seed = 1;
	unsigned long n = 0;

	while (time(NULL) < end && !atomic_load(&failed)) {
		struct ext4_owner_key_lock lock = {
			.flags = n % 2 ? EXT4_OWNER_LOCK_ALL_USERS : 0,
		};

		usleep(rand_r(&seed) % 100000);
		memcpy(lock.key_id, add->key_id, sizeof(lock.key_id));
		atomic_fetch_add(&epoch, 1);
		if (ioctl(dir, EXT4_IOC_OWNER_KEY_LOCK, &lock))
			err(1, "KEY_LOCK");
		if (lock.busy != THREADS)
			errx(1, "%u files are busy, not %u", lock.busy, THREADS);
		if (lock.status)
			errx(1, "lock %lu: status %x", n, lock.status);
		check_locked(&files[n % THREADS]);
		usleep(rand_r(&seed) % 30000);
		add_key(dir, add);
		atomic_fetch_add(&epoch, 1);
		n++;
	}
	return n;
}

int main(int argc, char **argv)
{
	static struct file files[THREADS];
	struct ext4_owner_policy policy = { .version = EXT4_OWNER_POLICY_V1 };
	struct ext4_owner_key_add add = { 0 };
	struct sigaction act = { .sa_handler = on_bus };
	unsigned long ok = 0, refused = 0, locks;
	pthread_t thread[THREADS];
	int dir, fd;

	if (argc != 4)
		errx(2, "usage: lockrace DIR KEYFILE SECONDS");
	sigaction(SIGBUS, &act, NULL);
	fd = open(argv[2], O_RDONLY);
	if (fd < 0 || read(fd, add.raw, sizeof(add.raw)) != sizeof(add.raw))
		err(1, "%s", argv[2]);
	close(fd);
	dir = open(argv[1], O_RDONLY | O_DIRECTORY);
	if (dir < 0)
		err(1, "%s", argv[1]);
	add_key(dir, &add);
	memcpy(policy.key_id, add.key_id, sizeof(policy.key_id));
	if (ioctl(dir, EXT4_IOC_SET_OWNER_POLICY, &policy))
		err(1, "SET_OWNER_POLICY");

	for (unsigned int i = 0; i < THREADS; i++) {
		struct file *f = &files[i];

		snprintf(f->path, sizeof(f->path), "%s/%u", argv[1], i);
		f->nr = i;
		f->seed = i + 1;
		f->fd = open(f->path, O_RDWR | O_CREAT, 0600);
		f->direct = open(f->path, O_RDWR | O_DIRECT);
		f->watch = open(f->path, O_RDONLY);
		if (f->fd < 0 || f->direct < 0 || f->watch < 0 || ftruncate(f->fd, BLOCKS * SIZE))
			err(1, "%s", f->path);
		f->map = mmap(NULL, BLOCKS * SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
		if (f->map == MAP_FAILED)
			err(1, "mmap");
		if (pthread_create(&thread[i], NULL, worker, f))
			errx(1, "no thread");
	}
	locks = lock_often(dir, &add, files, atoi(argv[3]));
	atomic_store(&stop, true);
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	for (unsigned int i = 0; i < THREADS; i++) {
		check_all(&files[i]);
		ok += files[i].ok;
		refused += files[i].refused;
	}
	if (!atomic_load(&failed) && (!refused || !ok || !locks))
		errx(1, "nothing met: %lu locks, %lu done, %lu refused", locks, ok, refused);
	printf("%lu locks, %lu operations done, %lu refused\n", locks, ok, refused);
	return atomic_load(&failed);
}

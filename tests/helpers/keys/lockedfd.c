// SPDX-License-Identifier: GPL-2.0-only
/*
 * lockedfd - after its key is locked, a file can't be changed in any way: not through
 * descriptors and mappings from before, not by a handle.
 *
 * usage: lockedfd DIR KEYFILE
 *
 * DIR is an empty directory of a mounted volume, KEYFILE 32 bytes.  Tries everything, brings
 * the key back, and compares.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../files/ext4_ioctl.h"
#include "ext4_owner.h"

#define SIZE		(256 * 1024)
#define BLOCK		4096

struct space {	/* struct space_resv of fs/ioctl.c's FS_IOC_RESVSP64 */
	int16_t	type, whence;
	int64_t	start, len;
	int32_t	sysid;
	uint32_t pid;
	int32_t	pad[4];
};

#define IOC_RESVSP64	_IOW('X', 42, struct space)
#define IOC_UNRESVSP64	_IOW('X', 43, struct space)
#define IOC_ZERO_RANGE	_IOW('X', 57, struct space)

static int dir, fd, direct, append, source, donor;
static uint8_t *map, *spare;
static struct file_handle *handle;
static int mount_id;
static sigjmp_buf bus;

static void on_bus(int sig)
{
	(void)sig;
	siglongjmp(bus, 1);
}

static long by_write(void) { return pwrite(fd, spare, BLOCK, 0); }
static long by_part(void) { return pwrite(fd, spare, 10, 5); }
static long by_direct(void) { return pwrite(direct, spare, BLOCK, BLOCK); }
static long by_append(void) { return write(append, spare, 10); }
static long by_shrink(void) { return ftruncate(fd, 10); }
static long by_grow(void) { return ftruncate(fd, 2 * SIZE); }
static long by_truncate(void) { return truncate("lockedfd", 10); }
static long by_alloc(void) { return fallocate(fd, 0, 0, 2 * SIZE); }
static long by_keep(void) { return fallocate(fd, FALLOC_FL_KEEP_SIZE, SIZE, SIZE); }

static long by_punch(void)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2 * BLOCK);
}

static long by_punch_part(void)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 50);
}

static long by_zero(void) { return fallocate(fd, FALLOC_FL_ZERO_RANGE, BLOCK, BLOCK); }

static long by_zero_keep(void)
{
	return fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 10, SIZE);
}

static long by_collapse(void) { return fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, BLOCK); }
static long by_insert(void) { return fallocate(fd, FALLOC_FL_INSERT_RANGE, BLOCK, BLOCK); }
static long by_unshare(void) { return fallocate(fd, FALLOC_FL_UNSHARE_RANGE, 0, BLOCK); }

static long space(unsigned long cmd, int64_t start, int64_t len)
{
	struct space s = { .start = start, .len = len };

	return ioctl(fd, cmd, &s);
}

static long by_resvsp(void) { return space(IOC_RESVSP64, SIZE, SIZE); }
static long by_unresvsp(void) { return space(IOC_UNRESVSP64, 0, BLOCK); }
static long by_zero_ioctl(void) { return space(IOC_ZERO_RANGE, 0, BLOCK); }

static long by_copy(void)
{
	loff_t from = 0, to = 0;

	return copy_file_range(source, &from, fd, &to, BLOCK, 0);
}

static long by_sendfile(void)
{
	off_t from = 0;

	return lseek(fd, 0, SEEK_SET) ? -1 : sendfile(fd, source, &from, BLOCK);
}

static long by_splice(void)
{
	loff_t to = 0;
	int p[2], saved;
	long ret;

	if (pipe(p) || write(p[1], spare, BLOCK) != BLOCK)
		err(1, "pipe");
	ret = splice(p[0], NULL, fd, &to, BLOCK, 0);
	saved = errno;
	close(p[0]);
	close(p[1]);
	errno = saved;
	return ret;
}

static long by_clone(void) { return ioctl(fd, FICLONE, source); }

static long by_clone_range(void)
{
	struct file_clone_range r = { .src_fd = source, .src_length = BLOCK };

	return ioctl(fd, FICLONERANGE, &r);
}

static long move(int to, int from)
{
	struct move_extent m = { .donor_fd = from, .len = 4 };

	return ioctl(to, EXT4_IOC_MOVE_EXT, &m);
}

static long by_move(void) { return move(fd, donor); }
static long by_move_away(void) { return move(donor, fd); }
static long by_swap_boot(void) { return ioctl(fd, EXT4_IOC_SWAP_BOOT); }
static long by_madvise(void) { return madvise(map, 2 * BLOCK, MADV_REMOVE); }

static long by_store(void)
{
	if (sigsetjmp(bus, 1)) {
		errno = EFAULT;
		return -1;
	}
	*(volatile uint8_t *)map ^= 1;
	return 0;
}

/* A direct read of another file into the mapping. */
static long by_read_into(void) { return pread(donor, map, BLOCK, 0); }

static long by_aio(void)
{
	aio_context_t ctx = 0;
	struct iocb cb = {
		.aio_fildes = direct,
		.aio_lio_opcode = IOCB_CMD_PWRITE,
		.aio_buf = (uintptr_t)spare,
		.aio_nbytes = BLOCK,
	};
	struct iocb *cbs[] = { &cb };
	struct io_event ev = { .res = -EINVAL };

	if (syscall(SYS_io_setup, 1, &ctx))
		err(1, "io_setup");
	if (syscall(SYS_io_submit, ctx, 1, cbs) != 1)
		ev.res = -errno;
	else if (syscall(SYS_io_getevents, ctx, 1, 1, &ev, NULL) != 1)
		err(1, "io_getevents");
	syscall(SYS_io_destroy, ctx);
	errno = ev.res < 0 ? -ev.res : 0;
	return ev.res < 0 ? -1 : ev.res;
}

static long close_new(int new)
{
	return new < 0 ? -1 : close(new);
}

static long by_open(void) { return close_new(openat(dir, "lockedfd", O_WRONLY)); }
static long by_reopen(void)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return close_new(open(path, O_WRONLY | O_TRUNC));
}

static long by_handle(void)
{
	return close_new(open_by_handle_at(dir, handle, O_WRONLY | O_TRUNC));
}

static const struct way {
	const char *name;
	long (*try)(void);
} ways[] = {
	{ "write", by_write }, { "write of a part", by_part },
	{ "direct write", by_direct }, { "append", by_append },
	{ "ftruncate, shorter", by_shrink }, { "ftruncate, longer", by_grow },
	{ "truncate", by_truncate }, { "fallocate", by_alloc },
	{ "fallocate, keep size", by_keep }, { "punch", by_punch },
	{ "punch of a part", by_punch_part }, { "zero range", by_zero },
	{ "zero range, keep size", by_zero_keep }, { "collapse range", by_collapse },
	{ "insert range", by_insert }, { "unshare range", by_unshare },
	{ "FS_IOC_RESVSP64", by_resvsp }, { "FS_IOC_UNRESVSP64", by_unresvsp },
	{ "FS_IOC_ZERO_RANGE", by_zero_ioctl }, { "copy_file_range", by_copy },
	{ "sendfile", by_sendfile }, { "splice", by_splice },
	{ "FICLONE", by_clone }, { "FICLONERANGE", by_clone_range },
	{ "MOVE_EXT to it", by_move }, { "MOVE_EXT from it", by_move_away },
	{ "SWAP_BOOT", by_swap_boot }, { "MADV_REMOVE", by_madvise },
	{ "store to a mapping", by_store }, { "read into a mapping", by_read_into },
	{ "AIO", by_aio }, { "open", by_open },
	{ "open through /proc, O_TRUNC", by_reopen },
	{ "open by handle, O_TRUNC", by_handle },
};

static int open_file(const char *name, int flags)
{
	int f = openat(dir, name, flags, 0600);

	if (f < 0)
		err(1, "%s", name);
	return f;
}

static void setup(const char *path, struct ext4_owner_key_add *add)
{
	struct ext4_owner_policy policy = { .version = EXT4_OWNER_POLICY_V1 };

	dir = open(path, O_RDONLY | O_DIRECTORY);
	if (dir < 0 || chdir(path))
		err(1, "%s", path);
	add->flags = EXT4_OWNER_KEY_CREATE;
	if (ioctl(dir, EXT4_IOC_OWNER_KEY_ADD, add))
		err(1, "KEY_ADD");
	memcpy(policy.key_id, add->key_id, sizeof(policy.key_id));
	if (ioctl(dir, EXT4_IOC_SET_OWNER_POLICY, &policy))
		err(1, "SET_OWNER_POLICY");

	fd = open_file("lockedfd", O_RDWR | O_CREAT);
	direct = open_file("lockedfd", O_RDWR | O_DIRECT);
	append = open_file("lockedfd", O_WRONLY | O_APPEND);
	source = open_file("../lockedfd.source", O_RDWR | O_CREAT | O_TRUNC);
	donor = open_file("../lockedfd.source", O_RDWR | O_DIRECT);
	if (posix_memalign((void **)&spare, BLOCK, SIZE))
		errx(1, "memory");
	for (int i = 0; i < SIZE; i++)
		spare[i] = i / 8 * 37 + i;
	if (write(fd, spare, SIZE) != SIZE || write(source, spare + 1, SIZE / 2) != SIZE / 2 ||
	    fsync(fd) || fsync(source))
		err(1, "write");
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	handle = malloc(sizeof(*handle) + MAX_HANDLE_SZ);
	if (map == MAP_FAILED || !handle)
		err(1, "memory");
	handle->handle_bytes = MAX_HANDLE_SZ;
	if (name_to_handle_at(dir, "lockedfd", handle, &mount_id, 0))
		err(1, "name_to_handle_at");
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = on_bus };
	struct ext4_owner_key_add add = { 0 };
	struct ext4_owner_key_lock lock = { 0 };
	struct stat before, after;
	unsigned int n = 0;
	uint8_t *buf;
	int key;

	if (argc != 3)
		errx(2, "usage: lockedfd DIR KEYFILE");
	key = open(argv[2], O_RDONLY);
	if (key < 0 || read(key, add.raw, sizeof(add.raw)) != sizeof(add.raw))
		err(1, "%s", argv[2]);
	sigaction(SIGBUS, &act, NULL);
	setup(argv[1], &add);
	if (fstat(fd, &before))
		err(1, "fstat");

	memcpy(lock.key_id, add.key_id, sizeof(lock.key_id));
	if (ioctl(dir, EXT4_IOC_OWNER_KEY_LOCK, &lock) || lock.status || lock.busy != 1)
		err(1, "KEY_LOCK: status %x, busy %u", lock.status, lock.busy);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		long ret = ways[i].try();

		if (ret >= 0) {
			warnx("%s: %ld, of a file whose key is locked", ways[i].name, ret);
			n++;
		} else if (errno != ENOKEY && errno != EOPNOTSUPP && errno != EFAULT &&
			   errno != EINVAL) {
			warn("%s", ways[i].name);
			n++;
		}
	}
	if (ioctl(dir, EXT4_IOC_OWNER_KEY_ADD, &add))
		err(1, "KEY_ADD");
	buf = malloc(SIZE);
	if (!buf || pread(fd, buf, SIZE, 0) != SIZE || memcmp(buf, spare, SIZE)) {
		warnx("the file has changed");
		n++;
	}
	if (fstat(fd, &after) || before.st_size != after.st_size ||
	    before.st_blocks != after.st_blocks ||
	    before.st_mtim.tv_nsec != after.st_mtim.tv_nsec ||
	    before.st_mtim.tv_sec != after.st_mtim.tv_sec) {
		warnx("its size, blocks or time have changed");
		n++;
	}
	printf("%zu ways tried\n", sizeof(ways) / sizeof(ways[0]));
	return n ? 1 : 0;
}

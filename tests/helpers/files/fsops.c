// SPDX-License-Identifier: GPL-2.0-only
/*
 * fsops - run file operations read from the standard input, one a line:
 *
 *	EXPECTED OPERATION ARGUMENT...
 *
 * EXPECTED is "ok" or the name of an errno; the first line that turns out
 * otherwise ends the run.  Data is a pattern: a function of a seed and of the
 * offset, so that "check" knows what "write" wrote.  The operations are in the
 * table at the end.  Starting one program for all of them matters on an
 * emulated CPU.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/fsverity.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "ext4_ioctl.h"
#include "ext4_owner.h"

#define EXT4_IOC_SHUTDOWN	_IOR('X', 125, __u32)

enum { BUFFERED, DIRECT, MAPPED, AIO };

static int held = -1;	/* of "hold": a file kept open */

static long long num(const char *s)
{
	char *end;
	long long v = strtoll(s, &end, 0);

	if (*end == 'k')
		v *= 1024, end++;
	else if (*end == 'm')
		v *= 1048576, end++;
	if (*end) {
		fprintf(stderr, "fsops: '%s' is no number\n", s);
		exit(2);
	}
	return v;
}

static void fill(uint8_t *buf, uint64_t seed, uint64_t offset, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		uint64_t x = (offset + i) / 8 + seed * 0x9e3779b97f4a7c15ULL;

		x = (x ^ (x >> 31)) * 0xbf58476d1ce4e5b9ULL;
		x ^= x >> 29;
		buf[i] = x >> (8 * ((offset + i) % 8));
	}
}

static int aio_rw(int fd, int opcode, void *buf, size_t len, off_t offset)
{
	aio_context_t ctx = 0;
	struct iocb cb = {
		.aio_fildes = fd,
		.aio_lio_opcode = opcode,
		.aio_buf = (uintptr_t)buf,
		.aio_nbytes = len,
		.aio_offset = offset,
	};
	struct iocb *cbs[] = { &cb };
	struct io_event ev;
	long got = -1;

	if (syscall(SYS_io_setup, 1, &ctx) < 0)
		return -1;
	if (syscall(SYS_io_submit, ctx, 1, cbs) == 1 &&
	    syscall(SYS_io_getevents, ctx, 1, 1, &ev, NULL) == 1) {
		got = ev.res;
		if (got < 0) {
			errno = -got;
			got = -1;
		}
	}
	syscall(SYS_io_destroy, ctx);
	return got;
}

static int mapped_rw(int fd, bool write, uint8_t *buf, size_t len, off_t offset)
{
	size_t before = offset % 4096;
	uint8_t *p = mmap(NULL, before + len,
			  PROT_READ | (write ? PROT_WRITE : 0), MAP_SHARED, fd,
			  offset - before);

	if (p == MAP_FAILED)
		return -1;
	if (write)
		memcpy(p + before, buf, len);
	else
		memcpy(buf, p + before, len);
	return munmap(p, before + len) ? -1 : (int)len;
}

/* Read or write all of it, in one call; a short one counts as EIO. */
static int transfer(const char *path, int how, bool write, uint8_t *buf,
		    size_t len, off_t offset)
{
	bool direct = how == DIRECT || how == AIO;
	int flags = write ? how == MAPPED ? O_RDWR : O_WRONLY | O_CREAT :
			    O_RDONLY;
	int fd = open(path, flags | (direct ? O_DIRECT : 0), 0644);
	ssize_t got;
	int err;

	if (fd < 0)
		return -1;
	if (how == MAPPED)
		got = mapped_rw(fd, write, buf, len, offset);
	else if (how == AIO)
		got = aio_rw(fd, write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD, buf,
			     len, offset);
	else
		got = write ? pwrite(fd, buf, len, offset) :
			      pread(fd, buf, len, offset);
	err = got < 0 ? errno : EIO;
	if (close(fd) && got == (ssize_t)len) {
		got = -1;
		err = errno;
	}
	errno = err;
	return got == (ssize_t)len ? 0 : -1;
}

#define HUGE	(2UL << 20)

static size_t mapped_size(size_t len)
{
	return len < HUGE ? len : (len + HUGE - 1) & ~(HUGE - 1);
}

/* Large ones from huge pages, if there are any: for large bios. */
static uint8_t *buffer(size_t len)
{
	int prot = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
	uint8_t *buf = MAP_FAILED;

	if (len >= HUGE)
		buf = mmap(NULL, mapped_size(len), prot, flags | MAP_HUGETLB,
			   -1, 0);
	if (buf == MAP_FAILED)
		buf = mmap(NULL, mapped_size(len), prot, flags, -1, 0);
	if (buf == MAP_FAILED) {
		perror("fsops");
		exit(2);
	}
	return buf;
}

static void release(uint8_t *buf, size_t len)
{
	munmap(buf, mapped_size(len));
}

/* PATH SEED OFFSET LENGTH */
static int write_how(char **a, int how)
{
	size_t len = num(a[3]);
	uint8_t *buf = buffer(len);
	int ret;

	fill(buf, num(a[1]), num(a[2]), len);
	ret = transfer(a[0], how, true, buf, len, num(a[2]));
	release(buf, len);
	return ret;
}

/* PATH SEED OFFSET LENGTH [SHIFT: the pattern's offset is so much larger] */
static int check_how(char **a, int how)
{
	size_t len = num(a[3]), i;
	uint8_t *buf = buffer(len), *want = buffer(len);
	int ret;

	if (*a[1] == '-')	/* zeros */
		memset(want, 0, len);
	else
		fill(want, num(a[1]), num(a[2]) + (a[4] ? num(a[4]) : 0), len);
	ret = transfer(a[0], how, false, buf, len, num(a[2]));
	if (!ret && memcmp(buf, want, len)) {
		for (i = 0; buf[i] == want[i]; i++)
			;
		fprintf(stderr, "fsops: %s: wrong data at %lld\n", a[0],
			num(a[2]) + (long long)i);
		errno = EBADMSG;
		ret = -1;
	}
	release(buf, len);
	release(want, len);
	return ret;
}

static int op_write(char **a) { return write_how(a, BUFFERED); }
static int op_dwrite(char **a) { return write_how(a, DIRECT); }
static int op_mwrite(char **a) { return write_how(a, MAPPED); }
static int op_awrite(char **a) { return write_how(a, AIO); }
static int op_check(char **a) { return check_how(a, BUFFERED); }
static int op_dcheck(char **a) { return check_how(a, DIRECT); }
static int op_mcheck(char **a) { return check_how(a, MAPPED); }
static int op_acheck(char **a) { return check_how(a, AIO); }

static int fallocate_how(char **a, int mode)
{
	int fd = open(a[0], O_RDWR | O_CREAT, 0644);
	int ret, err;

	if (fd < 0)
		return -1;
	ret = fallocate(fd, mode, num(a[1]), num(a[2]));
	err = errno;
	close(fd);
	errno = err;
	return ret;
}

static int op_falloc(char **a) { return fallocate_how(a, 0); }
static int op_zero(char **a) { return fallocate_how(a, FALLOC_FL_ZERO_RANGE); }

static int op_punch(char **a)
{
	return fallocate_how(a, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
}

static int op_collapse(char **a)
{
	return fallocate_how(a, FALLOC_FL_COLLAPSE_RANGE);
}

static int op_insert(char **a)
{
	return fallocate_how(a, FALLOC_FL_INSERT_RANGE);
}

static int op_truncate(char **a) { return truncate(a[0], num(a[1])); }
static int op_unlink(char **a) { return unlink(a[0]); }
static int op_rmdir(char **a) { return rmdir(a[0]); }
static int op_mkdir(char **a) { return mkdir(a[0], 0755); }
static int op_symlink(char **a) { return symlink(a[0], a[1]); }
static int op_link(char **a) { return link(a[0], a[1]); }
static int op_rename(char **a) { return rename(a[0], a[1]); }
static int op_mkfifo(char **a) { return mkfifo(a[0], 0644); }

static int op_exchange(char **a)
{
	return renameat2(AT_FDCWD, a[0], AT_FDCWD, a[1], RENAME_EXCHANGE);
}

static int do_ioctl(const char *path, int flags, unsigned long cmd, void *arg)
{
	int fd = open(path, flags);
	int ret, err;

	if (fd < 0)
		return -1;
	ret = ioctl(fd, cmd, arg);
	err = errno;
	close(fd);
	errno = err;
	return ret;
}

/* PATH r|w|t|c */
static int op_open(char **a)
{
	int fd = open(a[0], *a[1] == 'r' ? O_RDONLY :
			    *a[1] == 'w' ? O_WRONLY :
			    *a[1] == 't' ? O_WRONLY | O_TRUNC :
					   O_WRONLY | O_CREAT | O_EXCL, 0644);

	return fd < 0 ? -1 : close(fd);
}

static int op_hold(char **a)
{
	held = open(a[0], O_RDWR);
	return held < 0 ? -1 : 0;
}

static int op_release(char **a)
{
	int fd = held;

	(void)a;
	held = -1;
	return close(fd);
}

/* DIRECTORY NAME: make a file without a name, then give it one. */
static int op_tmpfile(char **a)
{
	int fd = open(a[0], O_TMPFILE | O_RDWR, 0644);
	char proc[64];
	int ret, err;

	if (fd < 0)
		return -1;
	ret = write(fd, "x", 1) == 1 ? 0 : -1;
	if (!ret) {
		snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
		ret = linkat(AT_FDCWD, proc, AT_FDCWD, a[1],
			     AT_SYMLINK_FOLLOW);
	}
	err = errno;
	close(fd);
	errno = err;
	return ret;
}

static int hex_key(const char *hex, uint8_t *key)
{
	unsigned int byte;
	int i;

	for (i = 0; i < EXT4_OWNER_KEY_ID_SIZE; i++) {
		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			return -1;
		key[i] = byte;
	}
	return 0;
}

static int op_setpolicy(char **a)
{
	struct ext4_owner_policy p = { .version = EXT4_OWNER_POLICY_V1 };

	if (a[2])	/* something wrong with the request */
		p.flags = num(a[2]);
	if (hex_key(a[1], p.key_id)) {
		errno = EDOM;
		return -1;
	}
	return do_ioctl(a[0], O_RDONLY, EXT4_IOC_SET_OWNER_POLICY, &p);
}

/* PATH KEY: EBADMSG if it has another. */
static int op_haspolicy(char **a)
{
	struct ext4_owner_policy p;
	uint8_t key[EXT4_OWNER_KEY_ID_SIZE];

	memset(&p, 0xff, sizeof(p));
	if (do_ioctl(a[0], O_RDONLY, EXT4_IOC_GET_OWNER_POLICY, &p))
		return -1;
	if (p.version != EXT4_OWNER_POLICY_V1 || p.flags || hex_key(a[1], key) ||
	    memcmp(key, p.key_id, sizeof(key))) {
		errno = EBADMSG;
		return -1;
	}
	return 0;
}

/* PATH FILE: the key in FILE is brought to the mount. */
static int op_keyadd(char **a)
{
	struct ext4_owner_key_add add = { .flags = EXT4_OWNER_KEY_CREATE };
	int fd = open(a[1], O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, add.raw, sizeof(add.raw));
	close(fd);
	if (n != sizeof(add.raw)) {
		errno = EDOM;
		return -1;
	}
	return do_ioctl(a[0], O_RDONLY, EXT4_IOC_OWNER_KEY_ADD, &add);
}

/* PATH KEY: EBUSY if others still have it. */
static int op_keylock(char **a)
{
	struct ext4_owner_key_lock lock = { };

	if (hex_key(a[1], lock.key_id)) {
		errno = EDOM;
		return -1;
	}
	if (do_ioctl(a[0], O_RDONLY, EXT4_IOC_OWNER_KEY_LOCK, &lock))
		return -1;
	if (lock.status & EXT4_OWNER_LOCK_OTHER_USERS) {
		errno = EBUSY;
		return -1;
	}
	return 0;
}

static int op_setversion(char **a)
{
	int gen = 4711;

	return do_ioctl(a[0], O_RDWR, EXT4_IOC_SETVERSION, &gen);
}

static int op_swapboot(char **a)
{
	return do_ioctl(a[0], O_RDWR, EXT4_IOC_SWAP_BOOT, NULL);
}

static int op_journaldata(char **a)
{
	int flags;

	if (do_ioctl(a[0], O_RDWR, FS_IOC_GETFLAGS, &flags))
		return -1;
	flags |= FS_JOURNAL_DATA_FL;
	return do_ioctl(a[0], O_RDWR, FS_IOC_SETFLAGS, &flags);
}

static int op_verity(char **a)
{
	struct fsverity_enable_arg arg = {
		.version = 1,
		.hash_algorithm = FS_VERITY_HASH_ALG_SHA256,
		.block_size = 4096,
	};

	return do_ioctl(a[0], O_RDONLY, FS_IOC_ENABLE_VERITY, &arg);
}

static int op_fscrypt(char **a)
{
	struct fscrypt_policy_v1 p = {
		.version = FSCRYPT_POLICY_V1,
		.contents_encryption_mode = FSCRYPT_MODE_AES_256_XTS,
		.filenames_encryption_mode = FSCRYPT_MODE_AES_256_CTS,
		.master_key_descriptor = "descript",
	};

	return do_ioctl(a[0], O_RDONLY, FS_IOC_SET_ENCRYPTION_POLICY, &p);
}

/* ORIGINAL DONOR BLOCKS */
static int op_moveext(char **a)
{
	struct move_extent me = { .len = num(a[2]) };
	int donor = open(a[1], O_RDWR);
	int ret, err;

	if (donor < 0)
		return -1;
	me.donor_fd = donor;
	ret = do_ioctl(a[0], O_RDWR, EXT4_IOC_MOVE_EXT, &me);
	err = errno;
	close(donor);
	errno = err;
	return ret;
}

static int op_swapon(char **a)
{
	int ret = swapon(a[0], 0);

	if (!ret)
		swapoff(a[0]);
	return ret;
}

/* MOUNTPOINT 0|1|2: the file system stops; how, see ext4. */
static int op_shutdown(char **a)
{
	uint32_t how = num(a[1]);

	return do_ioctl(a[0], O_RDONLY, EXT4_IOC_SHUTDOWN, &how);
}

/* PATH: E2BIG if any extended attribute can be seen. */
static int op_noxattr(char **a)
{
	ssize_t n = listxattr(a[0], NULL, 0);

	if (n > 0)
		errno = E2BIG;
	return n ? -1 : 0;
}

static int op_setxattr(char **a)
{
	return setxattr(a[0], a[1], "value", 5, 0);
}

/* PATH INO: ERANGE if it has another number. */
static int op_ino(char **a)
{
	struct stat st;

	if (stat(a[0], &st))
		return -1;
	if ((long long)st.st_ino != num(a[1])) {
		errno = ERANGE;
		return -1;
	}
	return 0;
}

/* PATH INO: EEXIST if it has this number. */
static int op_notino(char **a)
{
	struct stat st;

	if (stat(a[0], &st))
		return -1;
	if ((long long)st.st_ino == num(a[1])) {
		errno = EEXIST;
		return -1;
	}
	return 0;
}

/* PREFIX COUNT [BYTES]: PREFIX0, PREFIX1, ... */
static int op_many(char **a)
{
	char path[4096];
	long long i;

	for (i = 0; i < num(a[1]); i++) {
		char *w[] = { path, "1", "0", a[2], NULL };

		snprintf(path, sizeof(path), "%s%lld", a[0], i);
		if (a[2] ? op_write(w) : op_open((char *[]){ path, "c" }))
			return -1;
	}
	return 0;
}

static int op_unlinkmany(char **a)
{
	char path[4096];
	long long i;

	for (i = 0; i < num(a[1]); i++) {
		snprintf(path, sizeof(path), "%s%lld", a[0], i);
		if (unlink(path))
			return -1;
	}
	return 0;
}

static int op_fsync(char **a)
{
	int fd = open(a[0], O_RDONLY);
	int ret;

	if (fd < 0)
		return -1;
	ret = fsync(fd);
	close(fd);
	return ret;
}

/* Write back, and have all that is read next come from the device. */
static int op_drop(char **a)
{
	int fd;

	(void)a;
	sync();
	fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
	if (fd < 0 || write(fd, "3", 1) != 1)
		return -1;
	return close(fd);
}

static int op_sleep(char **a)
{
	struct timespec ts = {
		.tv_sec = num(a[0]) / 1000,
		.tv_nsec = num(a[0]) % 1000 * 1000000,
	};

	return nanosleep(&ts, NULL);
}

static const struct op {
	const char *name;
	int args;	/* at least */
	int (*run)(char **args);
} ops[] = {
	{ "write", 4, op_write }, { "dwrite", 4, op_dwrite },
	{ "mwrite", 4, op_mwrite }, { "awrite", 4, op_awrite },
	{ "check", 4, op_check }, { "dcheck", 4, op_dcheck },
	{ "mcheck", 4, op_mcheck }, { "acheck", 4, op_acheck },
	{ "falloc", 3, op_falloc }, { "zero", 3, op_zero },
	{ "punch", 3, op_punch }, { "collapse", 3, op_collapse },
	{ "insert", 3, op_insert }, { "truncate", 2, op_truncate },
	{ "unlink", 1, op_unlink }, { "rmdir", 1, op_rmdir },
	{ "mkdir", 1, op_mkdir }, { "symlink", 2, op_symlink },
	{ "link", 2, op_link }, { "rename", 2, op_rename },
	{ "exchange", 2, op_exchange }, { "mkfifo", 1, op_mkfifo },
	{ "open", 2, op_open }, { "hold", 1, op_hold },
	{ "release", 0, op_release }, { "tmpfile", 2, op_tmpfile },
	{ "setpolicy", 2, op_setpolicy }, { "haspolicy", 2, op_haspolicy },
	{ "keyadd", 2, op_keyadd }, { "keylock", 2, op_keylock },
	{ "setversion", 1, op_setversion }, { "swapboot", 1, op_swapboot },
	{ "journaldata", 1, op_journaldata }, { "verity", 1, op_verity },
	{ "fscrypt", 1, op_fscrypt }, { "moveext", 3, op_moveext },
	{ "swapon", 1, op_swapon }, { "shutdown", 2, op_shutdown },
	{ "noxattr", 1, op_noxattr }, { "setxattr", 2, op_setxattr },
	{ "ino", 2, op_ino }, { "notino", 2, op_notino },
	{ "many", 2, op_many }, { "unlinkmany", 2, op_unlinkmany },
	{ "fsync", 1, op_fsync }, { "drop", 0, op_drop },
	{ "sleep", 1, op_sleep },
};

static const struct op *find_op(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (!strcmp(ops[i].name, name))
			return &ops[i];
	return NULL;
}

static int run_line(char *line, int number)
{
	char *words[10] = { NULL };
	const char *got;
	char shown[512];
	const struct op *op;
	int n = 0;
	char *w;

	snprintf(shown, sizeof(shown), "%s", line);
	for (w = strtok(line, " \t\n"); w && n < 9; w = strtok(NULL, " \t\n"))
		words[n++] = w;
	if (!n || *words[0] == '#')
		return 0;
	op = n > 1 ? find_op(words[1]) : NULL;
	if (!op || n - 2 < op->args) {
		fprintf(stderr, "fsops: line %d: what is this? %s", number,
			shown);
		return 2;
	}
	got = op->run(words + 2) ? strerrorname_np(errno) : "ok";
	if (strcmp(got, words[0])) {
		fprintf(stderr, "fsops: line %d: %s, expected: %s", number, got,
			shown);
		return 1;
	}
	return 0;
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;
	int number = 0;
	int ret = 0;

	while (!ret && getline(&line, &size, stdin) > 0)
		ret = run_line(line, ++number);
	free(line);
	return ret;
}

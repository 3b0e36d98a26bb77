// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt key rotate: opening, listing and copying single files.
 *
 * Whose files these are may be changing them, and the names that lead to them,
 * while root copies: every step is relative to an open directory, follows no
 * symlink, and what is opened is looked at first.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "rotate/rotate.h"

#define PROC_FD_SIZE	32
#define XATTR_NAMES	65536
#define XATTR_VALUE	65536

/* Of chattr's, those that are a user's to set. */
#define COPIED_FLAGS	(FS_SECRM_FL | FS_UNRM_FL | FS_COMPR_FL | FS_SYNC_FL | \
			 FS_NODUMP_FL | FS_NOATIME_FL | FS_NOTAIL_FL | \
			 FS_DIRSYNC_FL | FS_TOPDIR_FL | FS_PROJINHERIT_FL)

/**
 * rot_push() - one level down
 * @p: path
 * @name: of what is there
 * @mark: receives what rot_pop() needs
 */
void rot_push(struct rot_path *p, const char *name, size_t *mark)
{
	size_t n = strlen(name);

	*mark = p->len;
	if (p->len + n + 2 > sizeof(p->s))
		return;
	if (p->len && p->s[p->len - 1] != '/')
		p->s[p->len++] = '/';
	memcpy(p->s + p->len, name, n + 1);
	p->len += n;
}

/**
 * rot_pop() - and up again
 * @p: path
 * @mark: from rot_push()
 */
void rot_pop(struct rot_path *p, size_t mark)
{
	p->len = mark;
	p->s[mark] = 0;
}

/**
 * rot_in_use() - count the file we are at as in use, and name it if it is one of the first
 * @r: the run
 * @nr: number of those found in use before; one more now
 */
void rot_in_use(const struct rot *r, u64 *nr)
{
	if ((*nr)++ >= ROT_NAMED)
		return;
	progress_clear();
	tell("%s: in use", r->path.s);
}

/**
 * rot_fail() - say what is wrong with the file we are at
 * @r: the run
 * @err: errno, or 0 if the text says it all
 * @fmt: what could not be done
 *
 * Return: an exit code.
 */
int rot_fail(struct rot *r, int err, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (err < 0)
		err = -err;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	progress_clear();
	switch (err) {
	case 0:
		return fail(EX_FAIL, "%s: %s", r->path.s, text);
	case ENOKEY:
		return fail(EX_NOKEY, "%s: %s: its key isn't loaded", r->path.s,
			    text);
	case EBUSY:
		return fail(EX_BUSY, "%s: %s: in use", r->path.s, text);
	case EIO:
		return fail(EX_IO, "%s: %s: input/output error", r->path.s,
			    text);
	case EOVERFLOW:
		return fail(EX_FAIL,
			    "%s: %s: the volume has no room for more owners (see inocrypt format --owners)",
			    r->path.s, text);
	default:
		return fail(EX_FAIL, "%s: %s: %s", r->path.s, text,
			    strerror(err));
	}
}

/**
 * rot_time() - a time as one number, to be compared only
 * @t: time
 */
u64 rot_time(const struct statx_timestamp *t)
{
	return (u64)t->tv_sec * 1000000000 + t->tv_nsec;
}

/**
 * rot_stat() - what is there?
 * @dir: directory, or the file itself if @name is empty
 * @name: in it
 * @sx: receives it
 *
 * Return: 0 or a negative errno.
 */
int rot_stat(int dir, const char *name, struct statx *sx)
{
	int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH;

	return statx(dir, name, flags, STATX_BASIC_STATS | STATX_MNT_ID, sx) ?
	       -errno : 0;
}

static int open_below(int dir, const char *name, u64 flags, u64 mode)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC | O_NOFOLLOW,
		.mode = mode,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, dir, name, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/**
 * rot_open_dir() - open a directory of the same mount
 * @dir: directory to start at
 * @name: path from there, "." for itself
 *
 * Return: file descriptor or a negative errno.
 */
int rot_open_dir(int dir, const char *name)
{
	int fd = open_below(dir, name, O_RDONLY | O_DIRECTORY | O_NOATIME, 0);

	/*
	 * Only the file's owner may ask for the access time to be left alone.
	 */
	if (fd == -EPERM)
		fd = open_below(dir, name, O_RDONLY | O_DIRECTORY, 0);
	return fd;
}

/**
 * rot_open_path() - hold on to anything, without opening it
 * @dir: directory
 * @name: in it
 * @sx: receives what it is; may be NULL
 *
 * Return: O_PATH file descriptor or a negative errno.
 */
int rot_open_path(int dir, const char *name, struct statx *sx)
{
	int fd = open_below(dir, name, O_PATH, 0), err;

	if (fd < 0 || !sx)
		return fd;
	err = rot_stat(fd, "", sx);
	if (!err)
		return fd;
	close(fd);
	return err;
}

static void proc_fd(int fd, char path[PROC_FD_SIZE])
{
	snprintf(path, PROC_FD_SIZE, "/proc/self/fd/%d", fd);
}

/**
 * rot_reopen() - read what is held
 * @path_fd: from rot_open_path(), a regular file
 *
 * Whoever owns a file can have a lease on it: opening it would wait for him, for
 * 45 seconds each time.
 *
 * Return: file descriptor; -EBUSY: somebody has a lease on it, and has been told
 * to give it up; or another negative errno.
 */
int rot_reopen(int path_fd)
{
	const int flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC;
	char path[PROC_FD_SIZE];
	int fd;

	proc_fd(path_fd, path);
	fd = open(path, flags | O_NOATIME);
	if (fd < 0 && errno == EPERM)
		fd = open(path, flags);
	if (fd >= 0)
		return fd;
	return errno == EWOULDBLOCK ? -EBUSY : -errno;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/**
 * rot_list() - what is in a directory, sorted
 * @dir: directory
 * @names: receives it, for rot_names_free()
 *
 * Return: 0 or a negative errno.
 */
int rot_list(int dir, struct rot_names *names)
{
	size_t room = 0;
	int fd, err = 0;
	struct dirent *e;
	char **v;
	DIR *d;

	memset(names, 0, sizeof(*names));
	fd = rot_open_dir(dir, ".");
	if (fd < 0)
		return fd;
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return -ENOMEM;
	}
	while (errno = 0, e = readdir(d)) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (names->n == room) {
			room = room ? 2 * room : 16;
			v = reallocarray(names->v, room, sizeof(*v));
			if (!v) {
				errno = ENOMEM;
				break;
			}
			names->v = v;
		}
		names->v[names->n] = strdup(e->d_name);
		if (!names->v[names->n]) {
			errno = ENOMEM;
			break;
		}
		names->n++;
	}
	err = -errno;
	closedir(d);
	if (err)
		rot_names_free(names);
	else if (names->n)
		qsort(names->v, names->n, sizeof(*names->v), by_name);
	return err;
}

/**
 * rot_names_free() - of rot_list()
 * @names: names
 */
void rot_names_free(struct rot_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->v[i]);
	free(names->v);
	memset(names, 0, sizeof(*names));
}

/**
 * rot_remove() - remove something that we made, with all that is in it
 * @dir: directory
 * @name: in it; may be missing
 * @depth: of @dir
 *
 * Return: 0 or a negative errno.
 */
int rot_remove(int dir, const char *name, unsigned int depth)
{
	struct rot_names names;
	int fd, err;

	if (!unlinkat(dir, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (depth > ROT_DEPTH)
		return -ELOOP;
	fd = rot_open_dir(dir, name);
	if (fd == -EACCES && !fchmodat(dir, name, 0700, 0))
		fd = rot_open_dir(dir, name);
	if (fd < 0)
		return fd;
	fchmod(fd, 0700);
	err = rot_list(fd, &names);
	for (size_t i = 0; !err && i < names.n; i++)
		err = rot_remove(fd, names.v[i], depth + 1);
	rot_names_free(&names);
	close(fd);
	if (!err && unlinkat(dir, name, AT_REMOVEDIR) && errno != ENOENT)
		err = -errno;
	return err;
}

/**
 * rot_lease() - nobody is writing to a file, or will before we hear of it
 * @fd: open for reading
 *
 * A mapped page that is dirty already can be written to without a trace; so
 * times alone don't tell whether a file is at rest.
 *
 * Return: 0, a lease is held then; -EAGAIN if somebody has it open for writing;
 * or another negative errno.
 */
int rot_lease(int fd)
{
	return fcntl(fd, F_SETLEASE, F_RDLCK) ? -errno : 0;
}

/**
 * rot_settle() - wait until a change made from now on can be told by the ctime
 * @fd: the file
 * @sx: what it is, brought up to date
 *
 * The kernel takes times from a clock that ticks some hundred times a second; on
 * small inodes only seconds are kept.
 */
void rot_settle(int fd, struct statx *sx)
{
	static const struct timespec tick = { .tv_nsec = 2000000 };
	struct timespec now;

	for (int i = 0; i < 1000; i++) {
		const struct statx_timestamp *t = &sx->stx_ctime;

		clock_gettime(CLOCK_REALTIME_COARSE, &now);
		/*
		 * If the time is far in the future, whatever happens now gets
		 * another one.
		 */
		if (now.tv_sec > t->tv_sec || now.tv_sec < t->tv_sec - 1 ||
		    (now.tv_sec == t->tv_sec && t->tv_nsec &&
		     now.tv_nsec > (long)t->tv_nsec))
			return;
		nanosleep(&tick, NULL);
		if (rot_stat(fd, "", sx))
			return;
	}
}

static int write_all(int fd, const char *buf, size_t n, off_t at)
{
	while (n) {
		ssize_t did = pwrite(fd, buf, n, at);

		if (did < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		buf += did;
		n -= did;
		at += did;
	}
	return 0;
}

static int copy_extent(struct rot *r, int in, int out, off_t at, off_t end,
		       u64 *bytes)
{
	while (at < end) {
		size_t want = end - at < ROT_BUF ? end - at : ROT_BUF;
		ssize_t n;
		int err;

		if (rot_stop)
			return -EINTR;
		n = pread(in, r->buf, want, at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return 0;
		err = write_all(out, r->buf, n, at);
		if (err)
			return err;
		at += n;
		*bytes += n;
	}
	return 0;
}

/**
 * rot_copy_data() - copy contents, holes as holes
 * @r: the run
 * @in: from
 * @out: to, empty
 * @size: bytes
 * @bytes: what was copied is added here
 *
 * Return: 0, -EINTR if told to stop, or another negative errno.
 */
int rot_copy_data(struct rot *r, int in, int out, u64 size, u64 *bytes)
{
	off_t at = 0, hole;
	int err;

	while (at < (off_t)size) {
		at = lseek(in, at, SEEK_DATA);
		if (at < 0 && errno == ENXIO)
			break;
		if (at < 0)
			return -errno;
		hole = lseek(in, at, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		if (hole > (off_t)size)
			hole = size;
		err = copy_extent(r, in, out, at, hole, bytes);
		if (err)
			return err;
		at = hole;
	}
	return ftruncate(out, size) ? -errno : 0;
}

/* Take away attributes that @dst got from elsewhere, as a default ACL. */
static int copy_xattrs(struct rot *r, const char *src, const char *dst)
{
	char *names = r->buf, *value = names + 2 * XATTR_NAMES;
	char *had = names + XATTR_NAMES;
	ssize_t n, m, len;

	n = listxattr(src, names, XATTR_NAMES);
	m = listxattr(dst, had, XATTR_NAMES);
	if (n < 0 || m < 0)
		return errno == EOPNOTSUPP ? 0 :
		       rot_fail(r, errno, "can't list its attributes");
	for (char *a = had; a < had + m; a += strlen(a) + 1) {
		bool keep = false;

		for (char *b = names; b < names + n; b += strlen(b) + 1)
			keep |= !strcmp(a, b);
		if (!keep && removexattr(dst, a) && errno != ENODATA)
			return rot_fail(r, errno, "can't remove attribute %s",
					a);
	}
	for (char *a = names; a < names + n; a += strlen(a) + 1) {
		len = getxattr(src, a, value, XATTR_VALUE);
		if (len < 0 && errno == ENODATA)
			continue;
		if (len < 0)
			return rot_fail(r, errno, "can't read attribute %s", a);
		if (setxattr(dst, a, value, len, 0))
			return rot_fail(r, errno, "can't copy attribute %s", a);
	}
	return 0;
}

static int copy_flags(struct rot *r, int src, int dst)
{
	struct fsxattr a, b;
	int from, to;

	/* A file system without such flags has none to be copied. */
	if (ioctl(src, FS_IOC_GETFLAGS, &from) ||
	    ioctl(dst, FS_IOC_GETFLAGS, &to))
		return 0;
	if ((from ^ to) & COPIED_FLAGS) {
		to = (to & ~COPIED_FLAGS) | (from & COPIED_FLAGS);
		if (ioctl(dst, FS_IOC_SETFLAGS, &to))
			return rot_fail(r, errno,
					"can't copy its flags (chattr)");
	}
	if (ioctl(src, FS_IOC_FSGETXATTR, &a) ||
	    ioctl(dst, FS_IOC_FSGETXATTR, &b) || a.fsx_projid == b.fsx_projid)
		return 0;
	b.fsx_projid = a.fsx_projid;
	return ioctl(dst, FS_IOC_FSSETXATTR, &b) ?
	       rot_fail(r, errno, "can't copy its project") : 0;
}

/**
 * rot_copy_meta() - make everything but the contents the same
 * @r: the run
 * @src: from; only a path unless it is a regular file or a directory
 * @dst: to
 * @sx: what @src is
 *
 * Return: 0 or an exit code.
 */
int rot_copy_meta(struct rot *r, int src, int dst, const struct statx *sx)
{
	char from[PROC_FD_SIZE], to[PROC_FD_SIZE];
	struct timespec times[2] = {
		{ sx->stx_atime.tv_sec, sx->stx_atime.tv_nsec },
		{ sx->stx_mtime.tv_sec, sx->stx_mtime.tv_nsec },
	};
	struct statx have;
	int ret;

	proc_fd(src, from);
	proc_fd(dst, to);
	ret = rot_stat(dst, "", &have);
	if (ret)
		return rot_fail(r, ret, "can't look at the copy");
	/* The order matters, as chown takes mode bits and capabilities away. */
	if ((have.stx_uid != sx->stx_uid || have.stx_gid != sx->stx_gid) &&
	    fchownat(dst, "", sx->stx_uid, sx->stx_gid, AT_EMPTY_PATH))
		return rot_fail(r, errno, "can't copy its owner and group");
	ret = copy_xattrs(r, from, to);
	if (ret)
		return ret;
	if (!S_ISLNK(sx->stx_mode) && chmod(to, sx->stx_mode & 07777))
		return rot_fail(r, errno, "can't copy its mode");
	if (S_ISREG(sx->stx_mode) || S_ISDIR(sx->stx_mode)) {
		ret = copy_flags(r, src, dst);
		if (ret)
			return ret;
	}
	if (utimensat(AT_FDCWD, to, times, 0))
		return rot_fail(r, errno, "can't copy its times");
	return 0;
}

/**
 * rot_copy_other() - make what is neither regular file nor directory
 * @r: the run
 * @src: from rot_open_path()
 * @sx: what it is
 * @dir: where
 * @name: under which name
 *
 * Return: 0 or an exit code.
 */
int rot_copy_other(struct rot *r, int src, const struct statx *sx, int dir,
		   const char *name)
{
	char target[PATH_MAX + 1];
	ssize_t n;

	if (!S_ISLNK(sx->stx_mode)) {
		if (!mknodat(dir, name, (sx->stx_mode & S_IFMT) | 0600,
			     makedev(sx->stx_rdev_major, sx->stx_rdev_minor)))
			return 0;
		return rot_fail(r, errno, "can't make another like it");
	}
	n = readlinkat(src, "", target, sizeof(target) - 1);
	if (n < 0)
		return rot_fail(r, errno, "can't read the symlink");
	target[n] = 0;
	return symlinkat(target, dir, name) ?
	       rot_fail(r, errno, "can't make another symlink") : 0;
}

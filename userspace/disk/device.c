// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices and image files.
 *
 * Everything read is read past the page cache where that can be done, as the
 * target writes past it too.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "disk/disk.h"

static int cant_write(const char *path)
{
	return fail(EX_FAIL,
		    "%s is read-only: nothing was changed (blockdev --setrw may help, if the device itself can be written)",
		    path);
}

/**
 * dev_open() - open a block device or an image file
 * @dev: to fill in
 * @path: device or file
 * @writing: also for writing; fail if the device is read-only
 * @exclusive: fail if a block device is in use
 *
 * Return: 0 or an exit code.
 */
int dev_open(struct area_dev *dev, const char *path, bool writing,
	     bool exclusive)
{
	int flags = (writing ? O_RDWR : O_RDONLY) | O_CLOEXEC;
	int readonly = 0;
	struct stat st;

	memset(dev, 0, sizeof(*dev));
	dev->path = path;
	dev->fd = -1;
	if (stat(path, &st))
		return fail(errno_code(errno), "%s: %s", path, strerror(errno));
	if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode))
		return fail(EX_USAGE,
			    "%s is neither a block device nor a regular file",
			    path);
	dev->is_file = S_ISREG(st.st_mode);
	if (exclusive && !dev->is_file)
		flags |= O_EXCL;
	dev->fd = open(path, flags | O_DIRECT);
	dev->direct = dev->fd >= 0;
	if (dev->fd < 0 && errno == EINVAL)
		dev->fd = open(path, flags);
	if (dev->fd < 0) {
		if (errno == EBUSY)
			return fail(EX_BUSY,
				    "%s is in use: mounted, or part of a device-mapper device (see lsblk)",
				    path);
		if (writing && errno == EROFS)
			return cant_write(path);
		return fail(errno_code(errno), "can't open %s: %s", path,
			    strerror(errno));
	}
	if (fstat(dev->fd, &st)) {
		int err = errno;

		dev_close(dev);
		return fail(EX_IO, "%s: %s", path, strerror(err));
	}
	if (dev->is_file) {
		dev->bytes = st.st_size;
		return 0;
	}
	dev->major = major(st.st_rdev);
	dev->minor = minor(st.st_rdev);
	if (ioctl(dev->fd, BLKGETSIZE64, &dev->bytes) ||
	    ioctl(dev->fd, BLKSSZGET, &dev->block_bytes)) {
		int err = errno;

		dev_close(dev);
		return fail(EX_IO, "can't get the size of %s: %s", path,
			    strerror(err));
	}
	dev->readonly = !ioctl(dev->fd, BLKROGET, &readonly) && readonly;
	if (writing && dev->readonly) {
		dev_close(dev);
		return cant_write(path);
	}
	return 0;
}

/**
 * dev_check_loop() - refuse an image file that a loop device is made of
 * @dev: opened, or zeroed by its declaration
 *
 * Nothing else would tell that it is in use.
 *
 * Return: 0 or an exit code.
 */
int dev_check_loop(const struct area_dev *dev)
{
	struct stat ours, theirs;
	struct dirent *e;
	int ret = 0;
	DIR *dir;

	if (!dev->path || !dev->is_file || fstat(dev->fd, &ours))
		return 0;
	dir = opendir("/sys/block");
	while (dir && !ret && (e = readdir(dir))) {
		char name[300], back[4096];
		FILE *f;

		snprintf(name, sizeof(name), "/sys/block/%s/loop/backing_file",
			 e->d_name);
		f = fopen(name, "re");
		if (!f)
			continue;
		if (fgets(back, sizeof(back), f)) {
			back[strcspn(back, "\n")] = 0;
			if (!stat(back, &theirs) &&
			    theirs.st_dev == ours.st_dev &&
			    theirs.st_ino == ours.st_ino)
				ret = fail(EX_BUSY,
					   "%s is in use by /dev/%s; name that instead",
					   dev->path, e->d_name);
		}
		fclose(f);
	}
	if (dir)
		closedir(dir);
	return ret;
}

/**
 * dev_close() - close it, if it is open
 * @dev: zeroed by its declaration, or opened
 */
void dev_close(struct area_dev *dev)
{
	if (dev->path && dev->fd >= 0)
		close(dev->fd);
	dev->fd = -1;
}

/**
 * dev_read() - read bytes
 * @dev: device
 * @offset: bytes; a block of 4096 holds all of [@offset, @offset + @len)
 * @buf: to fill; any alignment
 * @len: at most 4096
 *
 * Return: 0 or an exit code.
 */
int dev_read(struct area_dev *dev, u64 offset, void *buf, size_t len)
{
	static alignas(IC_BLOCK_SIZE) u8 block[IC_BLOCK_SIZE];
	u64 start = offset & ~(u64)(IC_BLOCK_SIZE - 1);
	size_t skip = offset - start;
	ssize_t n;

	if (skip + len > IC_BLOCK_SIZE || offset + len > dev->bytes)
		return fail(EX_IO, "%s is too small: nothing at byte %llu",
			    dev->path, (unsigned long long)offset);
	do {
		n = pread(dev->fd, block, sizeof(block), start);
	} while (n < 0 && errno == EINTR);
	if (n < (ssize_t)(skip + len))
		return fail(EX_IO, "can't read %s at byte %llu: %s", dev->path,
			    (unsigned long long)offset,
			    n < 0 ? strerror(errno) : "short");
	memcpy(buf, block + skip, len);
	return 0;
}

/**
 * dev_pread() - read blocks, saying nothing of errors; from any thread
 * @dev: device
 * @offset: bytes, a multiple of 4096
 * @buf: to fill; aligned to 4096 bytes
 * @len: its size, a multiple of 4096
 * @need: bytes that have to be there; less than @len only at the device's end
 *
 * Return: 0 or a negative errno.
 */
int dev_pread(const struct area_dev *dev, u64 offset, void *buf, size_t len,
	      size_t need)
{
	size_t have = 0;

	while (have < need) {
		ssize_t n = pread(dev->fd, (u8 *)buf + have, len - have,
				  offset + have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		have += n;
	}
	return 0;
}

/**
 * dev_write_block() - write a block of 4096 bytes
 * @dev: device
 * @offset: bytes, a multiple of 4096
 * @buf: 4096 bytes of any alignment, NULL for zeros
 *
 * Return: 0 or an exit code.
 */
int dev_write_block(struct area_dev *dev, u64 offset, const void *buf)
{
	static alignas(IC_BLOCK_SIZE) u8 block[IC_BLOCK_SIZE];
	ssize_t n;

	if (buf)
		memcpy(block, buf, sizeof(block));
	else
		memset(block, 0, sizeof(block));
	do {
		n = pwrite(dev->fd, block, sizeof(block), offset);
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(block))
		return fail(EX_IO, "can't write %s at byte %llu: %s", dev->path,
			    (unsigned long long)offset,
			    n < 0 ? strerror(errno) : "short");
	return 0;
}

/**
 * dev_zero() - make a range zero in one go, and so durably
 * @dev: device
 * @offset: bytes, a multiple of 4096
 * @len: bytes; what lies beyond the device's end is left out
 *
 * Return: 0 or an exit code.
 */
int dev_zero(struct area_dev *dev, u64 offset, u64 len)
{
	u64 range[2] = { offset, len };
	int err;

	if (offset >= dev->bytes)
		return 0;
	if (len > dev->bytes - offset)
		range[1] = (dev->bytes - offset) & ~511ULL;
	if (!dev->is_file)
		err = ioctl(dev->fd, BLKZEROOUT, range);
	else
		err = fallocate(dev->fd, FALLOC_FL_PUNCH_HOLE |
				FALLOC_FL_KEEP_SIZE, range[0], range[1]);
	if (err && dev->is_file && errno == EOPNOTSUPP)
		for (err = 0; range[1] >= IC_BLOCK_SIZE && !err;
		     range[0] += IC_BLOCK_SIZE, range[1] -= IC_BLOCK_SIZE)
			err = dev_write_block(dev, range[0], NULL);
	else if (err)
		err = fail(EX_IO, "can't write %s at byte %llu: %s", dev->path,
			   (unsigned long long)offset, strerror(errno));
	return err ? err : dev_flush(dev);
}

/**
 * dev_flush() - make what was written durable
 * @dev: device
 *
 * Return: 0 or an exit code.
 */
int dev_flush(struct area_dev *dev)
{
	if (fsync(dev->fd))
		return fail(EX_IO, "can't flush %s: %s", dev->path,
			    strerror(errno));
	return 0;
}

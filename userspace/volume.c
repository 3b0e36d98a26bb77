// SPDX-License-Identifier: GPL-2.0-only
/*
 * Find a volume on its devices, authenticate its superblock, walk its tree.
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

#include "volume.h"

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

/**
 * volume_data_offset() - where the data area begins on its device
 * @geo: geometry
 * @sidecar: the sidecar has a device of its own
 *
 * Return: bytes.
 */
u64 volume_data_offset(const struct ic_geometry *geo, bool sidecar)
{
	u64 len;

	if (sidecar)
		return HEADER_BYTES;
	len = geo->blocks * IC_BLOCK_SIZE;
	return HEADER_BYTES + (len + ALIGN_BYTES - 1) / ALIGN_BYTES *
			      ALIGN_BYTES;
}

/**
 * volume_open() - open a volume's devices for reading
 * @v: to fill in; volume_close() afterwards, whatever this returns
 * @dev: device of the data, and of the sidecar if it has none of its own
 * @sidecar: device of the sidecar, or NULL
 * @exclusive: fail if they are in use
 *
 * Return: 0 or an exit code.
 */
int volume_open(struct volume *v, const char *dev, const char *sidecar,
		bool exclusive)
{
	int ret;

	memset(v, 0, sizeof(*v));
	v->current = -1;
	ret = dev_open(&v->data, dev, false, exclusive);
	if (!ret && sidecar)
		ret = dev_open(&v->side_dev, sidecar, false, exclusive);
	v->side = sidecar ? &v->side_dev : &v->data;
	v->side_offset = sidecar ? 0 : HEADER_BYTES;
	return ret;
}

static unsigned long long copy_offset(const struct volume *v, unsigned int n)
{
	return v->side_offset + IC_SUPER_BLOCK(n) * IC_BLOCK_SIZE;
}

/* Read and judge one copy of the superblock. */
static int read_copy(struct volume *v, unsigned int n, const u8 *vk)
{
	struct ic_super *sb = &v->raw[n];
	struct ic_meta_key *key;
	u8 raw_key[IC_KEY_SIZE];

	/* One of them may be unreadable. */
	if (dev_read(v->side, copy_offset(v, n), sb, sizeof(*sb))) {
		ic_super_unread(&v->copy[n], -EIO);
		return 0;
	}
	if (ic_derive_volume_key(vk, sb->clear.uuid, IC_LABEL_SUPER, raw_key))
		return fail(EX_FAIL, "libcrypto fails");
	key = ic_meta_key_new(raw_key);
	explicit_bzero(raw_key, sizeof(raw_key));
	if (!key)
		return fail(EX_FAIL, "libcrypto fails");
	ic_super_judge(sb, n, key, &v->copy[n]);
	ic_meta_key_free(key);
	return 0;
}

/* No copy can be gone on from, or none may be: say why, and which it is. */
static int refuse_supers(const struct volume *v, int err, const char *why)
{
	const char *at = v->side->path;
	int strange = -1;

	for (int n = 0; n < 2; n++)
		if (v->copy[n].verdict == IC_SUPER_STRANGE && strange < 0 &&
		    v->copy[n].why == why)
			strange = n;
	if (err == -ENODATA && strange < 0)
		return fail(EX_NOVOLUME, v->side == &v->side_dev ?
			    "no inocrypt superblock at the start of %s" :
			    "no inocrypt superblock at 16 MiB of %s; if its sidecar is on another device, give --sidecar",
			    at);
	if (err == -EUCLEAN && strange < 0)
		return fail(EX_AUTH,
			    "%s: %s (at bytes %llu and %llu); see tool.md, \"Checking a volume\"",
			    at, why, copy_offset(v, 0), copy_offset(v, 1));
	if (err == -EUCLEAN)
		return fail(EX_AUTH,
			    "%s: %s (copy %d, at byte %llu); see tool.md, \"Checking a volume\"",
			    at, why, strange, copy_offset(v, strange));
	if (strange >= 0)
		return fail(EX_NOVOLUME,
			    "%s: %s, in a superblock that is authentic (copy %d, at byte %llu): a newer inocrypt may have written it",
			    at, why, strange, copy_offset(v, strange));
	return fail(err == -EINVAL ? EX_NOVOLUME : errno_code(-err), "%s: %s",
		    at, why);
}

/**
 * volume_read_supers() - find the volume's state
 * @v: opened; on success its params, state and geometry are authentic
 * @vk: volume key
 *
 * Return: 0 or an exit code.
 */
int volume_read_supers(struct volume *v, const u8 vk[IC_KEY_SIZE])
{
	bool two = v->side == &v->side_dev;
	const char *why = NULL;
	u8 raw_key[IC_KEY_SIZE];
	int ret;

	if (v->side->bytes < v->side_offset +
			     IC_FIRST_BLOCK * (u64)IC_BLOCK_SIZE)
		return fail(EX_NOVOLUME, "%s is too small for a volume",
			    v->side->path);
	for (unsigned int n = 0; n < 2; n++) {
		ret = read_copy(v, n, vk);
		if (ret)
			return ret;
	}
	v->current = ic_super_choose(v->copy, &why);
	if (v->current < 0) {
		ret = refuse_supers(v, v->current, why);
		v->current = -1;
		return ret;
	}
	v->params = v->copy[v->current].params;
	v->state = v->copy[v->current].state;
	ic_geometry_init(&v->geo, &v->params);
	v->data_offset = volume_data_offset(&v->geo, two);
	if (v->side->bytes < v->side_offset + v->geo.blocks * IC_BLOCK_SIZE)
		return fail(EX_NOVOLUME, "%s is smaller than its sidecar",
			    v->side->path);
	if (v->data.bytes < v->data_offset +
			    v->params.data_sectors * v->params.sector_size)
		return fail(EX_NOVOLUME,
			    "%s is smaller than the volume's data (%llu bytes from byte %llu on)",
			    v->data.path,
			    (unsigned long long)v->params.data_sectors *
			    v->params.sector_size,
			    (unsigned long long)v->data_offset);
	if (ic_derive_volume_key(vk, v->params.uuid, IC_LABEL_NODE, raw_key))
		return fail(EX_FAIL, "libcrypto fails");
	v->node_key = ic_meta_key_new(raw_key);
	explicit_bzero(raw_key, sizeof(raw_key));
	return v->node_key ? 0 : fail(EX_FAIL, "libcrypto fails");
}

/**
 * volume_close() - close its devices, wipe its keys
 * @v: given to volume_open()
 */
void volume_close(struct volume *v)
{
	dev_close(&v->data);
	dev_close(&v->side_dev);
	ic_meta_key_free(v->node_key);
	v->node_key = NULL;
}

/**
 * tree_offset() - where a node is
 * @v: volume
 * @step: node
 * @place: 0 or 1
 *
 * Return: bytes from the start of the sidecar's device.
 */
u64 tree_offset(const struct volume *v, const struct path_step *step,
		u32 place)
{
	return v->side_offset + IC_BLOCK_SIZE *
	       ic_node_block(&v->geo, step->level, step->index, place);
}

/* Index of a node's ancestor @up levels above it. */
static u64 ancestor(u64 index, u32 up)
{
	while (up--)
		index /= IC_FANOUT;
	return index;
}

/**
 * tree_walk() - go from the root to a node, checking all on the way
 * @v: volume with its superblock read
 * @level: the node's
 * @index: the node's
 * @path: receives the way and the node
 *
 * Return: 0 or an exit code.
 */
int tree_walk(struct volume *v, u32 level, u64 index,
	      struct tree_path *path)
{
	bool zero = mem_is_zero(v->state.root_tag, IC_TAG_SIZE);
	u32 place = v->state.root_place;
	u64 word = 0;

	memset(path, 0, sizeof(*path));
	if (level >= v->geo.levels || index >= v->geo.level_nodes[level])
		return fail(EX_USAGE, "no node %llu on level %u",
			    (unsigned long long)index, level);
	for (u32 l = v->geo.levels; l-- > level;) {
		struct path_step *step = &path->step[path->steps++];
		struct ic_node *node = &path->node;
		bool root = l == v->geo.levels - 1;
		int ret;

		step->level = l;
		step->index = ancestor(index, l - level);
		step->place = place;
		step->zero = zero;
		step->lost = !root && word == IC_WORD_LOST;
		if (zero || step->lost) {
			memset(node, 0, sizeof(*node));
			if (step->lost)
				ic_node_lost(node, &v->geo, l, step->index);
			continue;
		}
		ret = dev_read(v->side, tree_offset(v, step, place), node,
			       sizeof(*node));
		if (ret) {
			memset(node, 0, sizeof(*node));
			return ret;
		}
		/* The superblock keeps all of the tag, a word 63 bits of it. */
		if ((root ? memcmp(node->tag, v->state.root_tag, IC_TAG_SIZE) :
			    ic_word(node->tag, place) != word) ||
		    ic_node_open(node, v->node_key, v->params.uuid, l,
				 step->index)) {
			memset(node, 0, sizeof(*node));
			return fail(EX_AUTH,
				    "node %llu of level %u, place %u, at byte %llu of %s isn't the one its parent names",
				    (unsigned long long)step->index, l, place,
				    (unsigned long long)
				    tree_offset(v, step, place),
				    v->side->path);
		}
		if (l == level)
			break;
		word = le64_to_cpu(node->word[ancestor(index, l - 1 - level) %
					      IC_FANOUT]);
		zero = !word;
		place = ic_word_place(word);
	}
	return 0;
}

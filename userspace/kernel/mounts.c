// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which inocrypt volumes are mounted: the ext4 file systems of
 * /proc/self/mountinfo that answer our ioctls.  Works without privileges, and
 * through whatever lies between file system and volume.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "ext4_owner.h"
#include "kernel/kernel.h"

#define EXT4_ROOT_INO	2

/* Blanks in paths of mountinfo are octal: \040. */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' &&
		    s[2] >= '0' && s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
			*to++ = (s[1] - '0') << 6 | (s[2] - '0') << 3 |
				(s[3] - '0');
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = 0;
}

/*
 * "36 35 253:0 / /mnt rw,noatime shared:1 - ext4 /dev/mapper/x rw"
 * Return: true if it is an ext4's root, with @m's path and device.
 */
static bool parse_line(char *line, struct volume_mount *m)
{
	char *field[6], *save, *rest, *at;
	unsigned int major, minor;
	int n;

	rest = strstr(line, " - ");
	if (!rest || strncmp(rest + 3, "ext4 ", 5))
		return false;
	*rest = 0;
	for (n = 0, at = strtok_r(line, " ", &save); at && n < 6;
	     at = strtok_r(NULL, " ", &save))
		field[n++] = at;
	if (n < 5 || strcmp(field[3], "/") ||
	    sscanf(field[2], "%u:%u", &major, &minor) != 2)
		return false;
	unescape(field[4]);
	m->path = field[4];
	m->dev = makedev(major, minor);
	return true;
}

/*
 * Open a mount point; -1 if something else is there, or it isn't ours.  A
 * directory that can't be listed may still be passed through: O_PATH, and what
 * is below answers ioctls.
 */
static int open_root(const struct volume_mount *m)
{
	struct ext4_owner_key_info info = { 0 };
	struct stat st;
	int fd;

	fd = open(m->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (!fstat(fd, &st) && st.st_dev == m->dev &&
	    st.st_ino == EXT4_ROOT_INO &&
	    (!ioctl(fd, EXT4_IOC_OWNER_KEY_NEXT, &info) || errno == ENOENT))
		return fd;
	close(fd);
	return -1;
}

/**
 * volume_mount_put() - free what volume_mount_find() allocated
 * @m: from there, or zeroed
 */
void volume_mount_put(struct volume_mount *m)
{
	if (m->path)
		close(m->fd);
	free(m->path);
	m->path = NULL;
}

#define SYS_DIR	(NAME_MAX + 32)	/* "/sys/block/NAME" */

/* Read a small file of /sys. Return: its length, 0 if there is none. */
static size_t read_sys(const char *dir, const char *name, char *buf,
		       size_t size)
{
	char path[SYS_DIR + 32];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, buf, size - 1);
	if (fd >= 0)
		close(fd);
	n = n < 0 ? 0 : n;
	buf[n] = 0;
	return n;
}

/* The one device below another; false if there are none, or several. */
static bool step_down(char dir[SYS_DIR])
{
	char slaves[SYS_DIR + 32], name[NAME_MAX + 1] = "";
	const struct dirent *e;
	unsigned int n = 0;
	DIR *d;

	snprintf(slaves, sizeof(slaves), "%s/slaves", dir);
	d = opendir(slaves);
	while (d && (e = readdir(d)))
		if (*e->d_name != '.') {
			snprintf(name, sizeof(name), "%s", e->d_name);
			n++;
		}
	if (d)
		closedir(d);
	snprintf(dir, SYS_DIR, "/sys/block/%s", name);
	return n == 1;
}

/**
 * volume_mount_uuid() - which volume is mounted there
 * @m: mount
 * @uuid: receives the UUID that it was opened under
 *
 * Takes no privileges.  Return: false if that can't be told: it was opened with
 * dmsetup, or there is no /sys.
 */
bool volume_mount_uuid(const struct volume_mount *m, u8 uuid[IC_UUID_SIZE])
{
	char dir[SYS_DIR], text[128];
	size_t prefix = strlen(DM_UUID_PREFIX);

	snprintf(dir, sizeof(dir), "/sys/dev/block/%u:%u", major(m->dev),
		 minor(m->dev));
	/* The devices in between pass everything on as it is. */
	for (int depth = 0; depth < 8; depth++) {
		read_sys(dir, "dm/uuid", text, sizeof(text));
		text[strcspn(text, "\n")] = 0;
		if (!strncmp(text, DM_UUID_PREFIX, prefix))
			return uuid_parse_any(text + prefix, uuid);
		if (!step_down(dir))
			break;
	}
	return false;
}

static bool same_volume(const struct volume_mount *list, size_t n, dev_t dev)
{
	for (; n; n--, list++)
		if (list->dev == dev)
			return true;
	return false;
}

/*
 * List all inocrypt mounts, each volume once; only those of @only if that isn't
 * 0.
 */
static int read_mounts(struct volume_mount **list, size_t *n, dev_t only)
{
	char *line = NULL;
	size_t size = 0;
	FILE *f;
	int ret = 0;

	*list = NULL;
	*n = 0;
	f = fopen("/proc/self/mountinfo", "re");
	if (!f)
		return fail(EX_FAIL, "/proc/self/mountinfo: %s",
			    strerror(errno));
	while (getline(&line, &size, f) > 0) {
		struct volume_mount m, *more;

		if (!parse_line(line, &m) || (only && m.dev != only) ||
		    same_volume(*list, *n, m.dev))
			continue;
		m.fd = open_root(&m);
		if (m.fd < 0)
			continue;
		more = realloc(*list, (*n + 1) * sizeof(**list));
		m.path = strdup(m.path);
		if (more)
			*list = more;
		if (!more || !m.path) {
			close(m.fd);
			free(m.path);
			ret = fail(EX_FAIL, "out of memory");
			break;
		}
		(*list)[(*n)++] = m;
	}
	free(line);
	fclose(f);
	return ret;
}

/**
 * volume_mount_list() - all mounted volumes that the caller can look at
 * @list: receives them, each once; volume_mount_list_free() in any case
 * @n: their number
 *
 * Return: 0 or an exit code.
 */
int volume_mount_list(struct volume_mount **list, size_t *n)
{
	return read_mounts(list, n, 0);
}

/**
 * volume_mount_list_free() - free what volume_mount_list() allocated
 * @list: from there
 * @n: their number
 */
void volume_mount_list_free(struct volume_mount *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		volume_mount_put(&list[i]);
	free(list);
}

static int choose(struct volume_mount *list, size_t n, struct volume_mount *m)
{
	if (!n)
		return modules_nothing_mounted(EX_NOVOLUME);
	if (n > 1) {
		fail(EX_USAGE, "several inocrypt volumes are mounted; say which, with --mount:");
		for (size_t i = 0; i < n; i++)
			tell("  %s", list[i].path);
		return EX_USAGE;
	}
	*m = list[0];
	list[0].path = NULL;
	return 0;
}

/* Is it a file system of a volume, but further in? */
static bool begins_inside(const char *path)
{
	struct ext4_owner_key_info info = { 0 };
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	bool inside;

	if (fd < 0)
		return false;
	inside = ioctl(fd, EXT4_IOC_OWNER_KEY_NEXT, &info) && errno == ENXIO;
	close(fd);
	return inside;
}

/**
 * volume_mount_find() - the mounted volume that is meant
 * @m: to be filled in; volume_mount_put() afterwards if this succeeds
 * @path: any path on it; NULL: where the current directory is, else the only
 *	volume that is mounted
 *
 * Return: 0 or an exit code, after a message.
 */
int volume_mount_find(struct volume_mount *m, const char *path)
{
	struct volume_mount *list;
	struct stat st;
	size_t n;
	int ret;

	memset(m, 0, sizeof(*m));
	if (stat(path ? path : ".", &st)) {
		if (path)
			return fail(errno_code(errno), "%s: %s", path,
				    strerror(errno));
		st.st_dev = 0;
	}
	ret = read_mounts(&list, &n, st.st_dev);
	if (!ret && !n && path && begins_inside(path))
		ret = fail(EX_NOVOLUME, MOUNT_INSIDE, path);
	else if (!ret && !n && path)
		ret = modules_not_on_volume(EX_NOVOLUME, path);
	else if (!ret && !n && st.st_dev)
		ret = read_mounts(&list, &n, 0);
	if (!ret)
		ret = choose(list, n, m);
	for (size_t i = 0; i < n; i++)
		volume_mount_put(&list[i]);
	free(list);
	return ret;
}

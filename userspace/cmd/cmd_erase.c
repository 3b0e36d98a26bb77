// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt erase: delete files so that no key recovers them.  Deleting a file
 * that is under a key destroys what its own key derives from, and syncfs(2)
 * returns when that is gone from the device; the rest is to say when that
 * isn't what would happen.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cmd/cmd.h"

struct erase_args {
	char **paths;
	int count;
	bool force;
};

static const struct argp_option options[] = {
	{ "force", 'f', NULL, 0,
	  "Also files with several names: the others keep the data alive", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct erase_args *a = state->input;

	(void)arg;
	switch (key) {
	case 'f':
		a->force = true;
		break;
	case ARGP_KEY_ARGS:
		a->paths = state->argv + state->next;
		a->count = state->argc - state->next;
		break;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	options, parse, "FILE...",
	"Delete files that are under a key, and wait until no place of the volume holds what theirs derives from: no key, and nobody who has them all, recovers the data.  It takes the same time for every size.",
	NULL, NULL, NULL
};

#define HANDLE_BYTES	128

/**
 * struct victim - a file that is going away
 * @path: as given
 * @dir: its directory
 * @handle: to ask whether the inode is still there
 * @has_handle: @handle is good
 * @last_name: the inode goes with this name
 * @unlinked: it has lost its name
 */
struct victim {
	const char *path;
	int dir;
	union {
		struct file_handle handle;
		char space[sizeof(struct file_handle) + HANDLE_BYTES];
	};
	bool has_handle, last_name, unlinked;
};

static int check_policy(const char *path, int fd)
{
	struct ext4_owner_policy policy;

	if (!ioctl(fd, EXT4_IOC_GET_OWNER_POLICY, &policy))
		return 0;
	if (errno == ENODATA)
		return fail(EX_FAIL,
			    "%s is under no key but the volume's: erasing it isn't possible this way, only rm",
			    path);
	return modules_not_on_volume(EX_FAIL, path);
}

/* A deleted file lives on while somebody has it open. */
static int check_use(const char *path, int fd)
{
	if (!fcntl(fd, F_SETLEASE, F_WRLCK)) {
		fcntl(fd, F_SETLEASE, F_UNLCK);
		return 0;
	}
	if (errno != EAGAIN)
		return 0;
	return fail(EX_BUSY,
		    "%s is open: it would live on until that ends; nothing was deleted",
		    path);
}

static int check_file(struct victim *v, const char *name, bool force)
{
	struct stat st, now;
	int fd, ret;

	if (fstatat(v->dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return fail(errno_code(errno), "%s: %s", v->path,
			    strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fail(EX_USAGE, "%s isn't a regular file", v->path);
	if (st.st_nlink > 1 && !force)
		return fail(EX_USAGE,
			    "%s has %lu names: its data lives as long as any of them (--force deletes this one)",
			    v->path, (unsigned long)st.st_nlink);
	v->last_name = st.st_nlink == 1;
	v->handle.handle_bytes = HANDLE_BYTES;
	v->has_handle = !name_to_handle_at(v->dir, name, &v->handle,
					   &(int){ 0 }, 0);
	fd = openat(v->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
		    O_NOCTTY | O_CLOEXEC);
	/* A locked file has a key, and can be deleted. */
	if (fd < 0 && errno == ENOKEY)
		return 0;
	/*
	 * The file is opened only to look: who may delete it need not be able
	 * to read it.
	 */
	if (fd < 0)
		return errno == EACCES ?
		       fail(EX_FAIL, "%s can't be opened to see what key it is under: %s",
			    v->path, strerror(errno)) :
		       fail(errno_code(errno), "%s: %s", v->path,
			    strerror(errno));
	if (fstat(fd, &now) || now.st_ino != st.st_ino)
		ret = fail(EX_BUSY, "%s is being replaced", v->path);
	else
		ret = check_policy(v->path, fd);
	if (!ret && v->last_name)
		ret = check_use(v->path, fd);
	close(fd);
	return ret;
}

static int delete(struct victim *v, bool force)
{
	char *path = strdup(v->path), *base = strdup(v->path);
	const char *name;
	int ret;

	if (!path || !base) {
		ret = fail(EX_FAIL, "out of memory");
		goto out;
	}
	name = basename(base);
	v->dir = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (v->dir < 0) {
		ret = fail(errno_code(errno), "%s: its directory: %s", v->path,
			   strerror(errno));
		goto out;
	}
	ret = check_file(v, name, force);
	if (!ret && unlinkat(v->dir, name, 0))
		ret = fail(errno_code(errno), "%s: %s", v->path,
			   strerror(errno));
	v->unlinked = !ret;
out:
	free(path);
	free(base);
	return ret;
}

/* Is the inode still there? Only who has CAP_DAC_READ_SEARCH may ask. */
static bool still_there(const struct victim *v)
{
	int fd;

	if (!v->has_handle)
		return false;
	fd = open_by_handle_at(v->dir, (struct file_handle *)&v->handle,
			       O_PATH | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int finish(struct victim *v)
{
	struct statvfs fs;

	if (syncfs(v->dir))
		return fail(errno_code(errno),
			    "%s is deleted, but the volume can't say that it is erased: %s",
			    v->path, strerror(errno));
	/*
	 * If it became read-only, syncfs() has synced nothing and yet says that
	 * all is well.
	 */
	if (fstatvfs(v->dir, &fs) || fs.f_flag & ST_RDONLY)
		return fail(EX_IO,
			    "%s is deleted, but the file system became read-only: it may not be erased",
			    v->path);
	if (v->last_name && still_there(v))
		return fail(EX_BUSY,
			    "%s is deleted, but still open somewhere: it is erased when that ends",
			    v->path);
	return 0;
}

/**
 * cmd_erase() - inocrypt erase
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_erase(int argc, char **argv)
{
	struct erase_args a = { 0 };
	struct victim *victims;
	int ret = 0, one;

	parse_command(&argp, argc, argv, &a);
	victims = calloc(a.count, sizeof(*victims));
	if (!victims)
		return fail(EX_FAIL, "out of memory");
	for (int i = 0; i < a.count; i++) {
		victims[i].path = a.paths[i];
		victims[i].dir = -1;
		one = delete(&victims[i], a.force);
		ret = ret ? ret : one;
	}
	/* The first sync pays for all files on the same volume. */
	for (int i = 0; i < a.count; i++) {
		one = victims[i].unlinked ? finish(&victims[i]) : 0;
		ret = ret ? ret : one;
		if (victims[i].dir >= 0)
			close(victims[i].dir);
	}
	free(victims);
	return ret;
}

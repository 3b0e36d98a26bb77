// SPDX-License-Identifier: GPL-2.0-only
/*
 * damage: what "inocrypt check" says of a damaged volume, and what its repair makes
 * of it.
 */
#include <err.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trial.h"

enum { CLEAN = 0, UNREADABLE = 5, DAMAGED = 8, REPAIRED = 9 };

static char keys[NR_KEYS][300], volume_key[300];

/**
 * check_keys() - where the keys are that a check is given
 * @dir: directory of vk, and mk0 to mk3
 */
void check_keys(const char *dir)
{
	snprintf(volume_key, sizeof(volume_key), "%s/vk", dir);
	for (int i = 0; i < NR_KEYS; i++)
		snprintf(keys[i], sizeof(keys[i]), "%s/mk%d", dir, i);
}

/**
 * check_run() - run inocrypt check
 * @data: device or image
 * @side: device or image
 * @repair: what can be
 *
 * What it says is in /tmp/damage.check.
 *
 * Return: its exit code.
 */
int check_run(const char *data, const char *side, bool repair)
{
	const char *argv[24] = {
		"inocrypt", "check", data, "--sidecar", side, "-k", volume_key,
		"--data", "--quiet",
	};
	int n = 9, status, out;
	pid_t pid;

	for (int i = 0; i < NR_KEYS; i++) {
		argv[n++] = "-m";
		argv[n++] = keys[i];
	}
	if (repair) {
		argv[n++] = "--repair";
		argv[n++] = "--yes";
	}
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		out = open("/tmp/damage.check", O_WRONLY | O_CREAT | O_TRUNC, 0600);
		dup2(out, STDOUT_FILENO);
		dup2(out, STDERR_FILENO);
		execvp(argv[0], (char **)argv);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		errx(1, "inocrypt check was killed");
	return WEXITSTATUS(status);
}

/**
 * check_show() - print the end of what check_run() noted
 */
void check_show(void)
{
	if (system("tail -n 12 /tmp/damage.check"))
		printf("(it said nothing)\n");
}

/**
 * check_grade() - is this what a check should say?
 * @spot: the block that is damaged
 * @damage: how
 * @rc: exit code
 */
bool check_grade(const struct spot *spot, enum damage damage, int rc)
{
	bool no_read = damage >= READ;

	switch (spot->kind) {
	case SUPER_NEW:
	case SUPER_OLD:
	case KEY_LEAF:
	case OWNER_LEAF:
	case SECTOR_LEAF:
	case INNER:
	case ROOT:
		return rc == (no_read ? UNREADABLE : DAMAGED);
	case LOG_BLOCK:
	case LOG_DATA:
		/*
		 * Sectors that what comes after it was about may not fit; where
		 * only the log had their data, they are as before.
		 */
		return rc == DAMAGED || rc == (no_read ? UNREADABLE : CLEAN);
	case LOG_END:
		return rc == (no_read ? UNREADABLE : CLEAN);
	case DATA:
		return rc == (no_read ? UNREADABLE : DAMAGED);
	case DATA_LOGGED:
		return rc == CLEAN;
	case DATA_OPEN:
		return rc == (no_read ? UNREADABLE : DAMAGED) || rc == CLEAN;
	default:
		return rc == CLEAN;
	}
}

/**
 * check_repairs() - does docs/tool.md say that a repair cures this?
 * @spot: the block that is damaged
 * @damage: how
 */
bool check_repairs(const struct spot *spot, enum damage damage)
{
	switch (spot->kind) {
	case SUPER_NEW:
	case SUPER_OLD:
	case KEY_LEAF:
	case OWNER_LEAF:
	case SECTOR_LEAF:
	case INNER:
		return true;
	case LOG_BLOCK:
	case LOG_DATA:
		return damage >= READ;
	default:
		return false;
	}
}

static void write_file(const char *path, const uint8_t *image, size_t bytes,
		       size_t at, const uint8_t *block)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || pwrite(fd, image, bytes, 0) != (ssize_t)bytes ||
	    pwrite(fd, block, BLOCK, at) != BLOCK)
		err(1, "%s", path);
	close(fd);
}

/**
 * check_trial() - check an image with a damaged block, and repair it
 * @t: what to damage; FLIP or ZERO
 * @data: contents of the data image, header and all
 * @side: contents of the sidecar
 *
 * Return: whether all is as documented.
 */
bool check_trial(const struct trial *t, struct image data, struct image side)
{
	static const char * const files[] = { "damaged.d", "damaged.s" };
	struct image images[] = { data, side };
	size_t at = t->spot.block * BLOCK, skip = layout_data_offset();
	uint8_t block[BLOCK];
	int rc, again = 0;
	bool good;

	if (t->spot.dev == ON_DATA)
		at += skip;
	memcpy(block, images[t->spot.dev].data + at, BLOCK);
	if (t->damage == FLIP)
		block[t->flip / 8 % BLOCK] ^= 1 << t->flip % 8;
	else
		memset(block, 0, BLOCK);
	for (int d = 0; d < NR_DEVS; d++)
		write_file(files[d], images[d].data, images[d].bytes,
			   t->spot.dev == d ? at : 0,
			   t->spot.dev == d ? block : images[d].data);
	rc = check_run(files[0], files[1], false);
	good = check_grade(&t->spot, t->damage, rc);
	if (good && rc == DAMAGED) {
		bool repairs = check_repairs(&t->spot, t->damage);

		rc = check_run(files[0], files[1], true);
		good = rc == (repairs ? REPAIRED : DAMAGED);
		if (good && repairs) {
			again = check_run(files[0], files[1], false);
			good = again == CLEAN;
		}
	}
	if (good)
		return true;
	printf("FAIL: %s, %s, %s %llu (level %u, %llu), %s: check says %d, after a repair %d\n",
	       t->state == CUT ? "cut" : "closed", kind_names[t->spot.kind],
	       t->spot.dev == ON_DATA ? "sector" : "block",
	       (unsigned long long)t->spot.block, t->spot.level,
	       (unsigned long long)t->spot.index, damage_names[t->damage], rc,
	       again);
	check_show();
	return false;
}

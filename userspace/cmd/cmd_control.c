// SPDX-License-Identifier: GPL-2.0-only
/*
 * The commands that only name an open volume: close, raw, checkpoint.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "anchor/anchor.h"
#include "cmd/cmd.h"

/* Look the volume up first, so that other targets' devices are left alone. */
static int get_volume(struct dm_volume *v, const char *name)
{
	int ret = dm_volume_get(v, name);

	if (!ret)
		dm_volume_warn(v);
	return ret;
}

static int message(const char *name, const char *text)
{
	struct dm_volume v;
	int ret = get_volume(&v, name), err;

	if (ret)
		return ret;
	dm_volume_put(&v);
	err = dm_volume_message(name, text, NULL);
	return err ? fail(errno_code(-err), "%s: %s: %s", name, text,
			  strerror(-err)) : 0;
}

/* Is nothing left that only memory knows? The volume is suspended. */
static bool committed(const char *name)
{
	struct dm_volume v;
	char dirty[24];
	bool yes;

	if (dm_volume_get(&v, name))
		return false;
	/* What a read-only table recovers stays in memory. */
	yes = v.readonly ||
	      (!strncmp(v.status, "ok ", 3) &&
	       dm_status_field(&v, "nodes_dirty", dirty, sizeof(dirty)) &&
	       !strcmp(dirty, "0"));
	dm_volume_put(&v);
	return yes;
}

/*
 * Flush, as only a flush is told of writes that failed after they had been
 * acknowledged.
 */
static bool synced(const char *name)
{
	char dev[PATH_MAX];
	struct dm_event ev;
	bool ok;
	int fd;

	/*
	 * On a suspended volume a flush would wait for ever, and suspending has
	 * written all.
	 */
	if (dm_volume_event(name, NULL, &ev) || ev.suspended)
		return true;
	snprintf(dev, sizeof(dev), "/dev/mapper/%s", name);
	fd = open(dev, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true;
	ok = !fsync(fd);
	close(fd);
	return ok;
}

static bool checkpointed(const struct dm_volume *v)
{
	int err = dm_volume_message(v->name, "checkpoint", NULL);

	/* If it is suspended already, suspending it was a checkpoint. */
	return err == -EAGAIN ? committed(v->name) : !err;
}

/*
 * The anchor shall say how the volume is left: suspending it commits its last
 * state and lets nothing follow.  Nobody may stop us while it is suspended.
 */
static int close_anchored(const char *name, struct anchor *anchor, bool *lost)
{
	struct anchor_lock lock;
	int ret, anchored;
	sigset_t all, old;

	anchored = anchor_lock(anchor, &lock);
	if (anchored == EX_BUSY) {
		anchor_unlock(&lock);
		return anchored;
	}
	if (dm_volume_in_use(name)) {
		anchor_unlock(&lock);
		return fail(EX_BUSY, "%s is in use; unmount it first", name);
	}
	*lost = !synced(name);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	ret = dm_volume_suspend(name);
	if (!ret) {
		*lost = !committed(name) || *lost;
		if (!anchored)
			anchored = anchor_update(anchor, &lock, name);
		ret = dm_volume_remove(name);
		if (ret)
			dm_volume_resume(name);
		else
			anchor_forget(anchor);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	anchor_unlock(&lock);
	if (ret)
		return ret;
	if (anchored)
		warn("%s is closed, but its anchor is not up to date",
		     name);
	return anchored;
}

static int close_plain(const struct dm_volume *v, bool *lost)
{
	if (dm_volume_in_use(v->name))
		return fail(EX_BUSY, "%s is in use; unmount it first",
			    v->name);
	*lost = !synced(v->name);
	*lost = (!v->readonly && !checkpointed(v)) || *lost;
	return dm_volume_remove(v->name);
}

/*
 * A volume whose devices fail goes away all the same: otherwise nobody could
 * get rid of it.
 */
static int close_volume(const struct dm_volume *v)
{
	bool lost = false, removed;
	struct anchor anchor;
	struct dm_event ev;
	int ret;

	if (v->has_uuid && !v->snapshot && !anchor_recall(&anchor, v->uuid)) {
		ret = close_anchored(v->name, &anchor, &lost);
		anchor_wipe(&anchor);
	} else {
		ret = close_plain(v, &lost);
	}
	removed = dm_volume_event(v->name, NULL, &ev) == -ENXIO;
	if (!lost || !removed)
		return ret;
	fail(EX_IO,
	     "%s is closed, but its last changes could not be committed: what was written since the last sync may be lost",
	     v->name);
	tell("what was synced is in its log, if its devices have kept it; opening applies that");
	tell("the kernel log says what failed; look at the devices before you open it again");
	return EX_IO;
}

/**
 * cmd_close() - inocrypt close
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_close(int argc, char **argv)
{
	static const struct argp argp = {
		NULL, words_parse, "NAME",
		"Write everything back and take /dev/mapper/NAME away.", NULL,
		NULL, NULL
	};
	const char *name;
	struct words words = { .to = { &name }, .min = 1 };
	struct dm_volume v;
	int ret;

	parse_command(&argp, argc, argv, &words);
	ret = get_volume(&v, name);
	if (ret)
		return ret;
	ret = close_volume(&v);
	dm_volume_put(&v);
	return ret;
}

/**
 * cmd_raw() - inocrypt raw
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_raw(int argc, char **argv)
{
	static const struct argp argp = {
		NULL, words_parse, "on|off NAME",
		"Let the volume's device be read and written past its owners, for e2fsck.",
		NULL, NULL, NULL
	};
	const char *state, *name;
	struct words words = { .to = { &state, &name }, .min = 2 };
	bool on;

	parse_command(&argp, argc, argv, &words);
	on = !strcmp(state, "on");
	if (!on && strcmp(state, "off"))
		return fail(EX_USAGE, "raw on or raw off?");
	return message(name, on ? "raw on" : "raw off");
}

/**
 * cmd_checkpoint() - inocrypt checkpoint
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_checkpoint(int argc, char **argv)
{
	static const struct argp argp = {
		NULL, words_parse, "NAME",
		"Write all metadata back now; returns when it is durable.",
		NULL, NULL, NULL
	};
	const char *name;
	struct words words = { .to = { &name }, .min = 1 };
	int ret;

	parse_command(&argp, argc, argv, &words);
	ret = message(name, "checkpoint");
	return ret ? ret : anchor_refresh(name, false);
}

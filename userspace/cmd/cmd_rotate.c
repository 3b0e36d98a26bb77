// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt key rotate: put all that is under one master key under another.
 *
 * A file's key is derived from its master key and a salt, not wrapped by it, so
 * there is nothing to be wrapped anew: the files are copied.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "check/check.h"
#include "cmd/cmd.h"
#include "rotate/rotate.h"

struct rotate_args {
	const char *old, *new, *dir, *mount;
	struct words words;
	bool dry_run, break_links, abort;
};

enum { OPT_DRY_RUN = 256, OPT_BREAK_LINKS, OPT_ABORT };

static const struct argp_option options[] = {
	{ "mount", 'm', "PATH", 0,
	  "A path on the volume (default: where you are, or the only volume mounted)",
	  0 },
	{ "dry-run", OPT_DRY_RUN, NULL, 0,
	  "Only say what would be copied, and what is in the way", 0 },
	{ "break-links", OPT_BREAK_LINKS, NULL, 0,
	  "Make separate files of those with names (hard links) in several trees",
	  0 },
	{ "abort", OPT_ABORT, NULL, 0,
	  "Take away the unfinished copies of an interrupted run", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct rotate_args *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->words;
		break;
	case 'm':
		a->mount = arg;
		break;
	case OPT_DRY_RUN:
		a->dry_run = true;
		break;
	case OPT_BREAK_LINKS:
		a->break_links = true;
		break;
	case OPT_ABORT:
		a->abort = true;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_child children[] = {
	{ &words_argp, 0, NULL, 0 }, { 0 }
};

static const struct argp argp = {
	options, parse, "OLD NEW [DIR]",
	"Puts what is under master key OLD under NEW: all that is on the mounted volume, or what is below DIR.\v"
	"An owner's key is derived from its master key, so the files are copied, a directory tree at a time: "
	"that takes free space for the largest one.  Nobody should be writing to them meanwhile; what changes is "
	"noticed.  It may be interrupted at any moment, by a signal or a power cut; run it again to go on.",
	children, NULL, NULL
};

/* The mount option owner_key= goes on giving files the old key. */
static void warn_of_option(const struct rot *r, const char *old, dev_t dev)
{
	char id[KEY_ID_STR_SIZE], want[KEY_ID_STR_SIZE + 16], line[4096];
	unsigned int major, minor;
	FILE *f = fopen("/proc/self/mountinfo", "re");

	if (!f)
		return;
	hex(r->old, sizeof(r->old), id);
	snprintf(want, sizeof(want), "owner_key=%s", id);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*d %*d %u:%u", &major, &minor) != 2 ||
		    makedev(major, minor) != dev || !strstr(line, want))
			continue;
		warn("mounted with owner_key=%s, so new files may still be under %s: remount",
		     id, old);
		break;
	}
	fclose(f);
}

static int report(const struct rot *r, const struct rotate_args *a)
{
	if (r->skipped)
		warn("%llu files and directories could not be looked at",
		     (unsigned long long)r->skipped);
	if (rot_stop)
		return fail(EX_FAIL, "interrupted; run the same command again to go on");
	if (r->worst)
		return r->worst;
	if (r->dry_run || r->abort)
		return EX_DONE;
	say("%llu directories and %llu single files put under key %s, %llu MiB copied",
	    (unsigned long long)r->trees, (unsigned long long)r->loose,
	    a->new, (unsigned long long)((r->bytes + MIB - 1) / MIB));
	if (!a->dir && !r->uid)
		say("nothing is left under key %s: lock it, then inocrypt key remove",
		    a->old);
	return EX_DONE;
}

static int find_key(const struct key_store *s, const char *name, u8 *id)
{
	struct key_ref ref;
	int ret, loaded;

	ret = key_store_find(s, name, &ref);
	if (ret)
		return ret;
	memcpy(id, ref.id, sizeof(ref.id));
	loaded = rot_key_loaded(s->mount.fd, id);
	if (loaded > 0)
		return 0;
	if (!loaded)
		return fail(EX_NOKEY, "key %s isn't unlocked%s; see inocrypt key unlock",
			    name, geteuid() ? " by you" : "");
	return fail(errno_code(-loaded), "%s: can't list its keys: %s",
		    s->mount.path, strerror(-loaded));
}

static int open_dir(const struct key_store *s, const struct rotate_args *a)
{
	const char *path = a->dir ? a->dir : s->mount.path;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		fail(EX_FAIL, "%s: %s", path, strerror(errno));
	} else if (st.st_dev != s->mount.dev) {
		fail(EX_USAGE, "%s isn't on the volume at %s", path,
		     s->mount.path);
	} else {
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

/**
 * cmd_key_rotate() - inocrypt key rotate
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_key_rotate(int argc, char **argv)
{
	struct rotate_args a = {
		.words = { .to = { &a.old, &a.new, &a.dir }, .min = 2 },
	};
	struct rot r = { .uid = geteuid() };
	struct key_store s;
	int fd, ret;

	parse_command(&argp, argc, argv, &a);
	r.dry_run = a.dry_run;
	r.break_links = a.break_links;
	r.abort = a.abort;
	ret = key_store_open(&s, a.mount ? a.mount : a.dir);
	if (ret)
		return ret;
	ret = find_key(&s, a.old, r.old);
	if (!ret)
		ret = find_key(&s, a.new, r.new);
	if (!ret && !memcmp(r.old, r.new, sizeof(r.old)))
		ret = fail(EX_USAGE, "%s and %s are the same key", a.old, a.new);
	if (!ret) {
		fd = open_dir(&s, &a);
		ret = fd < 0 ? EX_USAGE :
			       rot_run(&r, fd, a.dir ? a.dir : s.mount.path);
		if (!ret)
			ret = report(&r, &a);
		if (fd >= 0 && !a.abort)
			warn_of_option(&r, a.old, s.mount.dev);
	}
	key_store_close(&s);
	return ret;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inocrypt key rotate: what its parts share.
 *
 * A tree under the old key is copied into a "box", a directory of ours beside
 * it, then both are exchanged, and what is now in the box is taken away:
 *
 *	.inocrypt-rotate.NAME/	0700, of the user who runs this, under no key
 *		notes/		under the new key (the mount may require one):
 *			state	which tree this is about, see rotate_box.c
 *			copied	records of what was copied, appended
 *			back	there while a copy that was in use is taken back
 *		tree/		the copy, under the new key; after the exchange
 *				the old tree, under the old key
 *		links/		first names of files that have several
 *		fix/		under the new key: copies of what changed late
 *
 * Single files go the same way, in a box for each directory, by swap/ instead of
 * links/ and fix/.
 */
#ifndef IC_ROTATE_H
#define IC_ROTATE_H

#include <signal.h>
#include <sys/stat.h>

#include "base/base.h"

#define ROT_PREFIX	".inocrypt-rotate"
#define ROT_PATH_SIZE	4096
#define ROT_DEPTH	2000	/* of directories in each other */
#define ROT_NAMED	5	/* files of a kind that are named */

/**
 * struct rot_path - where we are, for messages only
 */
struct rot_path {
	char	s[ROT_PATH_SIZE];
	size_t	len;
};

/**
 * struct rot_rec - a source that has been copied; the same on the disk
 *
 * For single files one of what may get to swap/: the file and its copy.
 *
 * @src_ino: which
 * @src_ctime: its change time, in nanoseconds, when that began
 * @src_mtime: its modification time
 * @src_size: its size
 * @dst_ino: the copy; for single files a hash of the name
 * @dst_ctime: the copy's change time when it was done; 0: has other names
 * @check: of what is before
 */
struct rot_rec {
	u64	src_ino;
	u64	src_ctime;
	u64	src_mtime;
	u64	src_size;
	u64	dst_ino;
	u64	dst_ctime;
	u32	reserved;
	u32	check;
};

/**
 * struct rot_recs - records by src_ino
 * @slots: a table of @size (a power of 2), empty ones with src_ino 0
 * @used: number of them
 * @queue: src_ino of records to be written
 * @queued: number of them
 */
struct rot_recs {
	struct rot_rec	*slots;
	size_t		size, used;
	u64		*queue;
	size_t		queued, queue_size;
};

/**
 * struct rot - a run of the command
 * @old: from this key
 * @new: to this key
 * @dry_run: only say what would be done
 * @break_links: make separate files of those with names elsewhere
 * @abort: take away unfinished copies
 * @uid: who runs it
 * @buf: to copy with
 * @trees: rotated; @files, @bytes: copied in them; @loose: single files
 * @skipped: could not be looked at
 * @leased: could not, as somebody has a lease on them
 * @worst: exit code
 */
struct rot {
	u8		old[IC_KEY_ID_SIZE], new[IC_KEY_ID_SIZE];
	bool		dry_run, break_links, abort;
	uid_t		uid;
	void		*buf;
	struct rot_path	path;
	u64		trees, files, bytes, loose;
	u64		skipped, leased;
	int		worst;
};

/**
 * struct rot_box - a box, and what it is for
 * @host: directory it is in
 * @fd: it
 * @name: its name
 * @loose: for single files
 * @rel: from @host to the directory that has the source, "" if that is @host
 * @target: the source's name there
 * @root: the source's inode number
 * @recs: what was copied
 * @notes: directory for what is noted
 * @copied: file with the records
 */
struct rot_box {
	int		host, fd;
	char		name[NAME_MAX + 1];
	bool		loose;
	char		rel[ROT_PATH_SIZE];
	char		target[NAME_MAX + 1];
	u64		root;
	struct rot_recs	recs;
	int		notes, copied;
};

/**
 * struct rot_names - what is in a directory, sorted
 */
struct rot_names {
	char	**v;
	size_t	n;
};

extern volatile sig_atomic_t rot_stop;

/* rotate_policy.c */
/* ROT_SPECIAL: no key of its own, but what is made in it isn't free, either. */
enum rot_policy { ROT_NONE, ROT_OLD, ROT_NEW, ROT_OTHER, ROT_SPECIAL };

int rot_policy_get(const struct rot *r, int fd, enum rot_policy *policy);
int rot_policy_set_new(const struct rot *r, int fd);
int rot_key_loaded(int fd, const u8 *id);

/* rotate_file.c */
#define ROT_BUF	(1024 * 1024)

void rot_push(struct rot_path *p, const char *name, size_t *mark);
void rot_pop(struct rot_path *p, size_t mark);
int rot_fail(struct rot *r, int err, const char *fmt, ...) __printf(3, 4);
void rot_in_use(const struct rot *r, u64 *nr);
u64 rot_time(const struct statx_timestamp *t);
int rot_stat(int dir, const char *name, struct statx *sx);
int rot_open_dir(int dir, const char *name);
int rot_open_path(int dir, const char *name, struct statx *sx);
int rot_reopen(int path_fd);
int rot_list(int dir, struct rot_names *names);
void rot_names_free(struct rot_names *names);
int rot_remove(int dir, const char *name, unsigned int depth);
int rot_lease(int fd);
void rot_settle(int fd, struct statx *sx);
int rot_copy_data(struct rot *r, int in, int out, u64 size, u64 *bytes);
int rot_copy_meta(struct rot *r, int src, int dst, const struct statx *sx);
int rot_copy_other(struct rot *r, int src, const struct statx *sx, int dir,
		   const char *name);

/* rotate_box.c */
int rot_box_make(struct rot *r, struct rot_box *b);
int rot_box_read(struct rot *r, struct rot_box *b, int host, const char *name);
void rot_box_close(struct rot_box *b);
int rot_box_dissolve(struct rot *r, struct rot_box *b);
int rot_box_dir(struct rot *r, struct rot_box *b, const char *name, bool keyed);
const struct rot_rec *rot_rec_find(const struct rot_recs *recs, u64 src_ino);
int rot_rec_put(struct rot_recs *recs, const struct rot_rec *rec);
int rot_recs_commit(struct rot *r, struct rot_box *b);

/* rotate_tree.c */
int rot_tree(struct rot *r, struct rot_box *b, int parent);

/* rotate_drain.c */
int rot_drain(struct rot *r, struct rot_box *b, int parent);

/* rotate_walk.c */
int rot_run(struct rot *r, int fd, const char *path);

/* rotate_loose.c */
int rot_loose(struct rot *r, int host, const char *rel, int parent,
	      char **names, size_t n);
int rot_loose_recover(struct rot *r, struct rot_box *b);

#endif /* IC_ROTATE_H */

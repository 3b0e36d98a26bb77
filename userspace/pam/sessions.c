// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which sessions a user has, in a file for each user in /run.
 *
 * A session ends when it is closed, or when the process that opened it is gone
 * without having done so: nobody's crash keeps a key unlocked for ever, or locks
 * another's.  The directory is root's alone, so what is in it is to be trusted,
 * but a crash may have left half a line.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "pam_inocrypt.h"

#define FILE_MAX	65536

static bool is_hex(const char *s, size_t len)
{
	return strlen(s) == len && strspn(s, "0123456789abcdef") == len;
}

/* When a process started; 0 if there is none. */
static unsigned long long start_of(pid_t pid)
{
	unsigned long long start = 0;
	char path[32], text[1024], *at;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = 0;
	/* Field 22; the second is the name, with anything in it. */
	at = strrchr(text, ')');
	for (int i = 2; at && i < 22; i++)
		at = strchr(at + 1, ' ');
	if (at)
		start = strtoull(at + 1, NULL, 10);
	return start;
}

/**
 * sessions_make_dir() - make the directory of the files
 * @dir: absolute path; its parent is made, too
 *
 * Return: 0 or a negative errno.
 */
int sessions_make_dir(const char *dir)
{
	char parent[PATH_MAX];
	struct stat st;
	char *slash;

	snprintf(parent, sizeof(parent), "%s", dir);
	slash = strrchr(parent, '/');
	if (!slash)
		return -EINVAL;
	*slash = 0;
	if (mkdir(parent, 0755) && errno != EEXIST)
		return -errno;
	if (mkdir(dir, 0700) && errno != EEXIST)
		return -errno;
	if (lstat(dir, &st))
		return -errno;
	return S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       !(st.st_mode & 0022) ? 0 : -EPERM;
}

/*
 * A sweeper has the file, perhaps for long: the user may have stopped what it
 * waits for, and who started it may have it in a frozen control group.  It can be
 * ended at any moment, as what isn't done yet stays in the file.
 */
static void end_sweeper(int fd)
{
	unsigned long long start;
	char text[64];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	int pid;

	text[n > 0 ? n : 0] = 0;
	if (sscanf(text, "W %d %llu", &pid, &start) == 2 && pid > 1 && start &&
	    start_of(pid) == start)
		kill(-pid, SIGKILL);
}

static int lock_file(int fd, unsigned int wait_ms)
{
	const struct timespec moment = { .tv_nsec = 50000000 };

	while (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (wait_ms < 50)
			return -EBUSY;
		end_sweeper(fd);
		nanosleep(&moment, NULL);
		wait_ms -= 50;
	}
	return 0;
}

/* "S <token> <pid> <start>" or "K <key id>"; "W <pid> <start>" is over. */
static void parse_line(struct sessions *s, const char *line)
{
	struct session *e = &s->session[s->nr];
	char word[64];
	int pid;

	if (sscanf(line, "S %63s %d %llu", word, &pid, &e->start) == 3) {
		if (!is_hex(word, SESSION_TOKEN_SIZE - 1) || pid <= 0 ||
		    s->nr == SESSIONS_MAX)
			return;
		memcpy(e->token, word, SESSION_TOKEN_SIZE);
		e->pid = pid;
		s->nr++;
	} else if (sscanf(line, "K %63s", word) == 1) {
		sessions_add_key(s, word);
	}
}

/* What is over isn't kept. */
static void prune(struct sessions *s)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < s->nr; i++) {
		const struct session *e = &s->session[i];

		if (start_of(e->pid) == e->start && e->start)
			s->session[kept++] = *e;
	}
	s->nr = kept;
}

static int read_file(struct sessions *s)
{
	char *text = malloc(FILE_MAX + 1), *line, *end;
	size_t have = 0;
	ssize_t n = 0;

	if (!text)
		return -ENOMEM;
	while (have < FILE_MAX) {
		n = read(s->fd, text + have, FILE_MAX - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		have += n;
	}
	if (n < 0) {
		n = -errno;
		free(text);
		return n;
	}
	text[have] = 0;
	for (line = text; (end = strchr(line, '\n')); line = end + 1) {
		*end = 0;
		parse_line(s, line);
	}
	free(text);
	prune(s);
	return 0;
}

/**
 * sessions_open() - a user's sessions, those that live
 * @s: receives them; sessions_close() afterwards if this succeeds
 * @dir: directory of the files
 * @uid: whose
 * @wait_ms: how long to wait for who has them open
 *
 * Return: 0 or a negative errno; -EBUSY: others have them open.
 */
int sessions_open(struct sessions *s, const char *dir, uid_t uid,
		  unsigned int wait_ms)
{
	char path[PATH_MAX];
	int ret;

	s->nr = 0;
	s->keys = 0;
	s->sweeper = false;
	snprintf(path, sizeof(path), "%s/%u", dir, uid);
	s->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
		     O_NONBLOCK, 0600);
	if (s->fd < 0)
		return -errno;
	ret = lock_file(s->fd, wait_ms);
	if (!ret)
		ret = read_file(s);
	if (ret)
		sessions_close(s);
	return ret;
}

/**
 * sessions_save() - write them back
 * @s: open
 *
 * Return: 0 or a negative errno.
 */
int sessions_save(struct sessions *s)
{
	size_t size = 0, done = 0;
	char *text = NULL;
	FILE *f = open_memstream(&text, &size);
	int ret = 0;

	if (!f)
		return -ENOMEM;
	if (s->sweeper)
		fprintf(f, "W %d %llu\n", (int)getpid(), start_of(getpid()));
	/* Keys first: a crash halfway must not forget to lock one. */
	for (unsigned int i = 0; i < s->keys; i++)
		fprintf(f, "K %s\n", s->key[i]);
	for (unsigned int i = 0; i < s->nr; i++)
		fprintf(f, "S %s %d %llu\n", s->session[i].token,
			(int)s->session[i].pid, s->session[i].start);
	if (fclose(f))
		ret = -ENOMEM;
	while (!ret && done < size) {
		ssize_t n = pwrite(s->fd, text + done, size - done, done);

		if (n > 0)
			done += n;
		else if (!n || errno != EINTR)
			ret = n ? -errno : -ENOSPC;
	}
	if (!ret && ftruncate(s->fd, size))
		ret = -errno;
	free(text);
	return ret;
}

/**
 * sessions_close() - give the file up, and its lock
 * @s: open
 */
void sessions_close(struct sessions *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

/**
 * sessions_add() - one that this process opens
 * @s: open
 * @token: receives its name
 *
 * Return: 0 or a negative errno.
 */
int sessions_add(struct sessions *s, char token[SESSION_TOKEN_SIZE])
{
	struct session *e = &s->session[s->nr];
	unsigned char bytes[(SESSION_TOKEN_SIZE - 1) / 2];

	if (s->nr == SESSIONS_MAX)
		return -ENOSPC;
	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return -EIO;
	for (size_t i = 0; i < sizeof(bytes); i++)
		sprintf(e->token + 2 * i, "%02x", bytes[i]);
	e->pid = getpid();
	e->start = start_of(e->pid);
	if (!e->start)
		return -ESRCH;
	memcpy(token, e->token, SESSION_TOKEN_SIZE);
	s->nr++;
	return 0;
}

/**
 * sessions_remove() - one that is over
 * @s: open
 * @token: its name; NULL: the last one that this process opened
 */
void sessions_remove(struct sessions *s, const char *token)
{
	for (unsigned int i = s->nr; i--;) {
		const struct session *e = &s->session[i];

		if (token ? strcmp(e->token, token) : e->pid != getpid())
			continue;
		memmove(&s->session[i], &s->session[i + 1],
			(s->nr - i - 1) * sizeof(*e));
		s->nr--;
		return;
	}
}

/**
 * sessions_add_key() - a key to lock when the last session ends
 * @s: open
 * @key: its id
 *
 * Return: 0 or a negative errno.
 */
int sessions_add_key(struct sessions *s, const char *key)
{
	if (!is_hex(key, SESSION_KEY_SIZE - 1))
		return -EINVAL;
	for (unsigned int i = 0; i < s->keys; i++)
		if (!strcmp(s->key[i], key))
			return 0;
	if (s->keys == SESSION_KEYS_MAX)
		return -ENOSPC;
	memcpy(s->key[s->keys++], key, SESSION_KEY_SIZE);
	return 0;
}

/**
 * sessions_key_ids() - the keys, for the helper's command line
 * @s: open
 * @ids: receives them, separated by commas
 */
void sessions_key_ids(const struct sessions *s, char ids[SESSION_IDS_SIZE])
{
	char *at = ids;

	*at = 0;
	for (unsigned int i = 0; i < s->keys; i++)
		at += sprintf(at, "%s%s", i ? "," : "", s->key[i]);
}

/**
 * sessions_locked() - the keys have been locked, or not
 * @s: open
 * @ret: what run_helper() returned
 *
 * What is still to be locked is kept.
 */
void sessions_locked(struct sessions *s, int ret)
{
	if (ret == HELPER_DONE || ret == HELPER_BUSY || ret == HELPER_NOTHING)
		s->keys = 0;
}

/**
 * sessions_others() - may others have left something behind?
 * @dir: directory of the files
 * @self: who isn't meant
 *
 * Return: true if there is anything in another user's file; it isn't opened.
 */
bool sessions_others(const char *dir, uid_t self)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	bool found = false;

	while (d && !found && (e = readdir(d))) {
		struct stat st;
		char *end;
		unsigned long uid = strtoul(e->d_name, &end, 10);

		found = !*end && end != e->d_name && uid != self &&
			!fstatat(dirfd(d), e->d_name, &st,
				 AT_SYMLINK_NOFOLLOW) && st.st_size;
	}
	if (d)
		closedir(d);
	return found;
}

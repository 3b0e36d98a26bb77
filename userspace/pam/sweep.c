// SPDX-License-Identifier: GPL-2.0-only
/*
 * What sessions left behind that ended without being closed: their keys are
 * locked, by a process that no login or logout waits for.
 *
 * Each user's in a process of its own, too, or who stops his would keep the
 * others' keys unlocked.  The user's own next login doesn't wait either, but ends
 * that process, and what it has started: they are a process group.
 */
#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "pam_inocrypt.h"

#define ARGS_MAX	16

/* @argv: the helper, its timeout in seconds, whom to leave out, mounts. */
static void lock_keys(struct sessions *s, uid_t uid, int argc, char **argv)
{
	const struct passwd *pw = getpwuid(uid);
	struct run r = { .path = argv[0], .timeout_ms = atoi(argv[1]) * 1000 };
	char ids[SESSION_IDS_SIZE], *save, *line;
	char *args[4 + ARGS_MAX + 1] = { "pam-helper", "lock", NULL, ids };
	int ret;

	if (!pw || setpgid(0, 0))
		return;
	s->sweeper = true;
	if (sessions_save(s))
		return;
	sessions_key_ids(s, ids);
	args[2] = pw->pw_name;
	for (int i = 3; i < argc && i < 3 + ARGS_MAX; i++)
		args[i + 1] = argv[i];
	r.argv = args;
	ret = run_helper(&r);
	if (ret < 0)
		syslog(LOG_WARNING, "locking keys of user %u: %s", uid,
		       strerror(-ret));
	for (line = strtok_r(r.err, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		syslog(LOG_WARNING, "%s", line);
	sessions_locked(s, ret);
	s->sweeper = false;
	if (sessions_save(s))
		syslog(LOG_ERR, SESSION_DIR "/%u: can't be written", uid);
}

/**
 * sweep() - lock what dead sessions had unlocked
 * @argc: number of arguments
 * @argv: the helper's path, its timeout in seconds, a uid to leave out, and
 *	mounts
 *
 * Return: exit code.
 */
int sweep(int argc, char **argv)
{
	DIR *dir = opendir(SESSION_DIR);
	unsigned long skip = strtoul(argv[2], NULL, 10);
	static struct sessions s;
	const struct dirent *d;

	if (!dir)
		return HELPER_NOTHING;
	openlog("pam_inocrypt", 0, LOG_AUTHPRIV);
	while ((d = readdir(dir))) {
		char *end;
		unsigned long uid = strtoul(d->d_name, &end, 10);

		/*
		 * If the file is open somewhere, whoever has it open looks
		 * after that user.
		 */
		if (*end || end == d->d_name || uid == skip ||
		    sessions_open(&s, SESSION_DIR, uid, 0))
			continue;
		/* The child has the file's lock, too, until it is done. */
		if (!s.nr && s.keys && !fork()) {
			lock_keys(&s, uid, argc, argv);
			_exit(0);
		}
		sessions_close(&s);
	}
	closedir(dir);
	while (wait(NULL) > 0 || errno == EINTR)
		;
	return HELPER_DONE;
}

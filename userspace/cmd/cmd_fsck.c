// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt fsck: e2fsck in raw mode, which is off again afterwards whatever
 * happens.
 *
 * e2fsck reads and writes the device past its owners, which a volume that holds
 * owned sectors allows in raw mode only.  Three processes: e2fsck; we, who wait
 * for it with the signals that could end us blocked; and a guard in a session of
 * its own, for the case that somebody kills us with SIGKILL.  The guard sees the
 * end of a pipe that e2fsck and we hold open.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/cmd.h"

static const int held_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

static int raw_off(const char *name)
{
	int err = dm_volume_message(name, "raw off", NULL);

	/* If the volume was closed meanwhile raw mode is off, too. */
	if (!err || err == -ENXIO)
		return 0;
	fail(FSCK_OPERATIONAL,
	     "%s is left in raw mode: %s; try \"inocrypt raw off %s\"", name,
	     strerror(-err), shown_word(name));
	return -1;
}

/* Switch raw mode off once neither e2fsck nor our parent is there any more. */
static void guard(const char *name, int fd)
{
	sigset_t all;
	ssize_t n;
	char c;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	setsid();
	do {
		n = read(fd, &c, 1);
	} while (n < 0 && errno == EINTR);
	/* A byte means that raw mode has been switched off already. */
	_exit(n == 1 ? 0 : !!raw_off(name));
}

static void run_e2fsck(const char *dev, char *const *options, size_t n,
		       pid_t parent, const sigset_t *mask)
{
	char **argv = calloc(n + 4, sizeof(*argv));
	char *path = getenv("PATH");

	/*
	 * Without its parent e2fsck would go on with nobody to see what it
	 * does.
	 */
	if (!argv || prctl(PR_SET_PDEATHSIG, SIGTERM) || getppid() != parent)
		_exit(FSCK_OPERATIONAL);
	argv[0] = "e2fsck";
	for (size_t i = 0; i < n; i++)
		argv[i + 1] = options[i];
	argv[n + 1] = (char *)dev;
	sigprocmask(SIG_SETMASK, mask, NULL);
	if (path && *path)
		execvp(argv[0], argv);
	execv("/sbin/e2fsck", argv);
	execv("/usr/sbin/e2fsck", argv);
	fail(0, "e2fsck: %s", strerror(errno));
	_exit(FSCK_OPERATIONAL);
}

/* Wait for e2fsck.  What the terminal sends it has, too; the rest is passed on. */
static int wait_for(pid_t pid, const sigset_t *held)
{
	sigset_t set = *held;
	siginfo_t info;
	int status;

	sigaddset(&set, SIGCHLD);
	for (;;) {
		pid_t got = waitpid(pid, &status, WNOHANG);

		if (got == pid)
			break;
		if (got < 0 && errno != EINTR)
			return FSCK_OPERATIONAL;
		if (sigwaitinfo(&set, &info) > 0 && info.si_signo != SIGCHLD &&
		    info.si_code != SI_KERNEL)
			kill(pid, info.si_signo);
	}
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	return fail(FSCK_OPERATIONAL, "e2fsck was ended by signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
}

/* Run e2fsck and its guard; raw mode is on, or is about to be. */
static int guarded(const char *name, const char *dev, char *const *options,
		   size_t n, bool already_raw)
{
	pid_t parent = getpid(), watcher, checker = -1;
	sigset_t held, mask;
	int fd[2], err, ret;

	if (pipe(fd))
		return fail(FSCK_OPERATIONAL, "pipe: %s", strerror(errno));
	sigemptyset(&held);
	for (size_t i = 0; i < ARRAY_SIZE(held_signals); i++)
		sigaddset(&held, held_signals[i]);
	sigaddset(&held, SIGCHLD);
	sigprocmask(SIG_BLOCK, &held, &mask);
	sigdelset(&held, SIGCHLD);
	fflush(NULL);

	watcher = already_raw ? 0 : fork();
	if (!already_raw && !watcher) {
		close(fd[1]);
		guard(name, fd[0]);
	}
	close(fd[0]);
	if (watcher < 0) {
		ret = fail(FSCK_OPERATIONAL, "fork: %s", strerror(errno));
		goto out;
	}
	err = already_raw ? 0 : dm_volume_message(name, "raw on", NULL);
	if (err) {
		ret = fail(FSCK_OPERATIONAL, "%s: raw on: %s", name,
			   strerror(-err));
	} else {
		checker = fork();
		if (!checker)
			run_e2fsck(dev, options, n, parent, &mask);
		ret = checker < 0 ?
		      fail(FSCK_OPERATIONAL, "fork: %s", strerror(errno)) :
		      wait_for(checker, &held);
		if (!already_raw && raw_off(name))
			ret |= FSCK_OPERATIONAL;
	}
	if (watcher > 0) {
		/* The guard is still there, as it ends only on this. */
		if (write(fd[1], "", 1) != 1)
			ret |= FSCK_OPERATIONAL;
		waitpid(watcher, NULL, 0);
	}
out:
	close(fd[1]);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	return ret;
}

/**
 * fsck_run() - run e2fsck on an open volume
 * @name: NAME or /dev/mapper/NAME
 * @options: of e2fsck, NULL-terminated
 *
 * Return: e2fsck's exit code, or one that it would give.
 */
int fsck_run(const char *name, char *const *options)
{
	char dev[512], raw[8] = "";
	struct dm_volume v;
	size_t n = 0;
	int ret;

	while (options[n])
		n++;
	if (dm_volume_get(&v, name))
		return FSCK_OPERATIONAL;
	if (dm_volume_in_use(v.name)) {
		ret = fail(FSCK_OPERATIONAL,
			   "%s is in use; unmount it first", v.name);
	} else if (snprintf(dev, sizeof(dev), "/dev/mapper/%s", v.name) >=
		   (int)sizeof(dev)) {
		ret = fail(FSCK_USAGE, "%s: no name of a volume", name);
	} else {
		dm_status_field(&v, "raw", raw, sizeof(raw));
		ret = guarded(v.name, dev, options, n, *raw == '1');
	}
	dm_volume_put(&v);
	return ret;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	char ***rest = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_ARGS:
		*rest = state->argv + state->next;
		break;
	case ARGP_KEY_END:
		if (!*rest)
			args_error(state, "which volume?");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/**
 * cmd_fsck() - inocrypt fsck
 * @argc: as main()
 * @argv: as main()
 *
 * Return: e2fsck's exit code.
 */
int cmd_fsck(int argc, char **argv)
{
	static const struct argp argp = {
		NULL, parse, "NAME [-- E2FSCK-OPTIONS]",
		"Run e2fsck on a volume that isn't mounted, with raw mode on meanwhile.  The exit code is e2fsck's: 0 clean, 1 errors corrected, 2 reboot, 4 errors left, 8 operational error, 16 wrong usage, 32 cancelled.",
		NULL, NULL, NULL
	};
	char **rest = NULL, *name;

	argp_err_exit_status = FSCK_USAGE;
	/* In order: options after NAME aren't ours to look at. */
	parse_command(&argp, argc, argv, &rest);
	name = rest[0];
	rest++;
	if (*rest && !strcmp(*rest, "--"))
		rest++;
	return fsck_run(name, rest);
}

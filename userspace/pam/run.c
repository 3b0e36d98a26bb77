// SPDX-License-Identifier: GPL-2.0-only
/*
 * Start the helper from a process that isn't ours: its signals, descriptors,
 * environment and user ids may be anything.
 *
 * Nobody waits for the helper itself.  It becomes a user, who can stop it, and
 * it asks the kernel for things that take as long as they take, and SIGKILL
 * waits for that.  So the helper is a child of a guard of ours, which does
 * nothing but tell how it ended, or kill it when its time is up and leave it to
 * init.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pam_inocrypt.h"

#define GRACE_MS	1000	/* for the guard, which does nothing that waits */

/* How the helper ended, if it didn't by itself: not among its exit codes. */
enum { ENDED_LATE = -1, ENDED_BY_SIGNAL = -2 };

/**
 * run_now_ms() - a clock that nobody sets
 *
 * Return: milliseconds since some moment.
 */
long long run_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/*
 * su, for one, has the invoking user's real id: root for all three, or that user
 * could stop us.
 */
static bool be_root(void)
{
	return !setresgid(0, 0, 0) && !setresuid(0, 0, 0);
}

/* What somebody may have set who can't do without the program we are in. */
static void lift_limits(void)
{
	static const int limits[] = {
		RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_AS
	};
	const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };

	for (unsigned int i = 0; i < sizeof(limits) / sizeof(*limits); i++)
		setrlimit(limits[i], &none);
	setpriority(PRIO_PROCESS, 0, 0);
}

/*
 * In a child: async-signal-safe functions only, as there may have been threads.
 * @fd becomes 0, 1 and 2; they are all above 2, see pipe_above().
 */
static void start(const char *path, char *const *argv, const int fd[3])
{
	static char *const env[] = {
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL
	};
	sigset_t none;

	for (int i = 0; i < 3; i++)
		if (dup2(fd[i], i) < 0)
			_exit(127);
	if (close_range(3, ~0U, 0) || !be_root() || chdir("/"))
		_exit(127);
	lift_limits();
	for (int sig = 1; sig < 32; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(path, argv, env);
	_exit(127);
}

/*
 * Fork, with all signals blocked in the child: the program's own handlers are no
 * business of ours.
 */
static pid_t fork_quiet(void)
{
	sigset_t all, was;
	pid_t pid;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &was);
	pid = fork();
	if (pid)
		pthread_sigmask(SIG_SETMASK, &was, NULL);
	return pid;
}

/* The guard: also a child.  @fd: the helper's 0, 1 and 2; @tell: for how it ended. */
static void guard(const struct run *r, const int fd[3], int tell)
{
	struct pollfd p = { .events = POLLIN };
	int how = ENDED_LATE, status;
	pid_t pid;

	if (!be_root())
		_exit(1);
	/*
	 * _Fork() calls no handlers that others have registered: none of them
	 * is safe here.
	 */
	pid = _Fork();
	if (!pid)
		start(r->path, r->argv, fd);
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	p.fd = pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
	if (p.fd < 0)
		how = ENDED_BY_SIGNAL;
	else if (poll(&p, 1, r->timeout_ms) > 0 &&
		 waitpid(pid, &status, WNOHANG) == pid)
		how = WIFEXITED(status) ? WEXITSTATUS(status) : ENDED_BY_SIGNAL;
	if (pid > 0 && how < 0)
		kill(pid, SIGKILL);
	if (write(tell, &how, sizeof(how)) != sizeof(how))
		_exit(1);
	_exit(0);
}

/* Descriptors from 3 on: a program may have closed its standard ones. */
static int pipe_above(int fd[2])
{
	int low[3], n = 0, ret;

	while (!(ret = pipe2(fd, O_CLOEXEC)) && (fd[0] < 3 || fd[1] < 3)) {
		for (int i = 0; i < 2; i++) {
			if (fd[i] >= 3)
				close(fd[i]);
			else if (n < 3)
				low[n++] = fd[i];
		}
	}
	while (n)
		close(low[--n]);
	return ret ? -errno : 0;
}

/**
 * struct text - what the helper writes
 * @fd: from here; -1: it has ended
 * @to: RUN_OUTPUT_SIZE bytes; what is too much is left out
 * @have: bytes
 */
struct text {
	int	fd;
	char	*to;
	size_t	have;
};

/* Take all that there is to read; nobody waits for more here. */
static void take(struct text *t)
{
	char more[512];
	ssize_t n;

	while (t->fd >= 0) {
		n = read(t->fd, more, sizeof(more));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			t->fd = -1;
		for (ssize_t k = 0; k < n; k++)
			if (t->have < RUN_OUTPUT_SIZE - 1)
				t->to[t->have++] = more[k];
		t->to[t->have] = 0;
	}
}

/*
 * Read what the helper writes until the guard says how it ended.
 * Return: the helper's exit code, or a negative errno.
 */
static int collect(struct run *r, int out, int err, int told)
{
	struct text text[2] = { { .fd = out, .to = r->out },
				{ .fd = err, .to = r->err } };
	long long end = run_now_ms() + r->timeout_ms + GRACE_MS;
	int how = ENDED_LATE;

	for (;;) {
		struct pollfd p[3] = {
			{ .fd = told, .events = POLLIN },
			{ .fd = text[0].fd, .events = POLLIN },
			{ .fd = text[1].fd, .events = POLLIN },
		};
		long long left = end - run_now_ms();

		/*
		 * The guard has a timeout of its own, so somebody must have
		 * stopped it.
		 */
		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(p, 3, left) < 0 && errno != EINTR)
			return -errno;
		/*
		 * This is read first, so that what is taken below is all that
		 * there will be.
		 */
		if (p[0].revents &&
		    read(told, &how, sizeof(how)) != sizeof(how))
			how = ENDED_BY_SIGNAL;
		take(&text[0]);
		take(&text[1]);
		if (p[0].revents)
			return how == ENDED_LATE ? -ETIMEDOUT :
			       how == ENDED_BY_SIGNAL ? -EINTR : how;
	}
}

/* A child that is about to end by itself, or else is made to. */
static void reap(pid_t pid)
{
	static const struct timespec moment = { .tv_nsec = 2000000 };
	long long end = run_now_ms() + GRACE_MS;

	for (bool killed = false;; killed = true) {
		do {
			if (waitpid(pid, NULL, WNOHANG))
				return;
			nanosleep(&moment, NULL);
		} while (run_now_ms() < end);
		if (killed)
			return;
		kill(pid, SIGKILL);
		end = run_now_ms() + GRACE_MS / 10;
	}
}

/**
 * run_helper() - run a program as root, and wait for it, but not too long
 * @r: what and how; @out and @err are filled in
 *
 * Return: its exit code or a negative errno; -ETIMEDOUT: it has been killed, and
 * may go on for as long as the kernel doesn't let it die.
 */
int run_helper(struct run *r)
{
	const struct sigaction dfl = { .sa_handler = SIG_DFL };
	int fd[4][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 }, { -1, -1 } };
	struct sigaction old;
	int ret = 0;
	pid_t pid = -1;

	r->out[0] = 0;
	r->err[0] = 0;
	for (int i = 0; !ret && i < 4; i++)
		ret = pipe_above(fd[i]);
	if (!ret && (fcntl(fd[1][0], F_SETFL, O_NONBLOCK) ||
		     fcntl(fd[2][0], F_SETFL, O_NONBLOCK)))
		ret = -errno;
	/*
	 * Write the input before anybody reads: it fits into the pipe, and
	 * there can be no SIGPIPE.
	 */
	if (!ret && r->input_len &&
	    (r->input_len > 4096 ||
	     write(fd[0][1], r->input, r->input_len) != (ssize_t)r->input_len))
		ret = -EIO;
	/* The program's own handler mustn't take our child's status away. */
	sigaction(SIGCHLD, &dfl, &old);
	if (!ret) {
		const int end[3] = { fd[0][0], fd[1][1], fd[2][1] };

		/* Close this end, or the helper's input would have no end. */
		close(fd[0][1]);
		fd[0][1] = -1;
		pid = fork_quiet();
		if (!pid)
			guard(r, end, fd[3][1]);
		if (pid < 0)
			ret = -errno;
	}
	/*
	 * Close the child's ends, and the one through which it got its input.
	 */
	close(fd[0][0]);
	if (fd[0][1] >= 0)
		close(fd[0][1]);
	for (int i = 1; i < 4; i++)
		close(fd[i][1]);
	if (pid > 0) {
		ret = collect(r, fd[1][0], fd[2][0], fd[3][0]);
		reap(pid);
	}
	for (int i = 1; i < 4; i++)
		close(fd[i][0]);
	sigaction(SIGCHLD, &old, NULL);
	for (char *c = r->err; *c; c++)
		if (*c != '\n' && (*c < ' ' || *c > '~'))
			*c = '?';
	return ret;
}

/**
 * run_detached() - start a program as root that nobody waits for
 * @path: of the program
 * @argv: its arguments
 *
 * It reads and writes nothing, and is in a session of its own.
 */
void run_detached(const char *path, char *const *argv)
{
	const struct sigaction dfl = { .sa_handler = SIG_DFL };
	struct sigaction old;
	pid_t pid;

	sigaction(SIGCHLD, &dfl, &old);
	pid = fork_quiet();
	if (!pid) {
		int fd[3];

		if (!be_root() || setsid() < 0 || _Fork())
			_exit(0);
		for (int i = 0; i < 3; i++) {
			/*
			 * Take descriptors above 2, whatever the program has
			 * closed.
			 */
			int null = open("/dev/null", O_RDWR);

			fd[i] = fcntl(null, F_DUPFD, 3);
		}
		start(path, argv, fd);
	}
	if (pid > 0)
		reap(pid);
	sigaction(SIGCHLD, &old, NULL);
}

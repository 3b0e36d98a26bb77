// SPDX-License-Identifier: GPL-2.0-only
/*
 * Start the helper from a process that isn't ours: its signals, descriptors,
 * environment and user ids may be anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pam_inocrypt.h"

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/*
 * In the child: async-signal-safe functions only, as there may have been
 * threads.  su, for one, has the invoking user's real id: root for all three,
 * or that user could stop the helper.
 */
static void child(const struct run *r, const int fd[3])
{
	static char *const env[] = {
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL
	};
	sigset_t none;

	sigemptyset(&none);
	for (int sig = 1; sig < 32; sig++)
		signal(sig, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* They are all above 2, see pipes(). */
	for (int i = 0; i < 3; i++)
		if (dup2(fd[i], i) < 0)
			_exit(127);
	if (close_range(3, ~0U, 0) || setresgid(0, 0, 0) ||
	    setresuid(0, 0, 0) || chdir("/"))
		_exit(127);
	execve(r->path, r->argv, env);
	_exit(127);
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

/* Read both until they end.  Return: 0, or -ETIMEDOUT. */
static int collect(struct run *r, int out, int err)
{
	struct pollfd p[2] = {
		{ .fd = out, .events = POLLIN }, { .fd = err, .events = POLLIN },
	};
	char *buf[2] = { r->out, r->err };
	size_t have[2] = { 0, 0 };
	long long end = now_ms() + r->timeout_ms;

	while (p[0].fd >= 0 || p[1].fd >= 0) {
		long long left = end - now_ms();

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(p, 2, left) < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < 2; i++) {
			char more[512];
			ssize_t n;

			if (p[i].fd < 0 || !p[i].revents)
				continue;
			n = read(p[i].fd, more, sizeof(more));
			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0) {
				p[i].fd = -1;
				continue;
			}
			/* What is too much is left out. */
			for (ssize_t k = 0; k < n; k++)
				if (have[i] < RUN_OUTPUT_SIZE - 1)
					buf[i][have[i]++] = more[k];
			buf[i][have[i]] = 0;
		}
	}
	return 0;
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

/**
 * run_helper() - run a program as root, and wait for it
 * @r: what and how; @out and @err are filled in
 *
 * Return: its exit code or a negative errno.
 */
int run_helper(struct run *r)
{
	const struct sigaction dfl = { .sa_handler = SIG_DFL };
	int fd[3][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
	struct sigaction old;
	int ret = 0, got;
	pid_t pid = -1;

	r->out[0] = 0;
	r->err[0] = 0;
	for (int i = 0; !ret && i < 3; i++)
		ret = pipe_above(fd[i]);
	/* Before anybody reads: it fits, and there can be no SIGPIPE. */
	if (!ret && r->input_len &&
	    (r->input_len > 4096 ||
	     write(fd[0][1], r->input, r->input_len) != (ssize_t)r->input_len))
		ret = -EIO;
	/* The program's own handler mustn't take our child's status away. */
	sigaction(SIGCHLD, &dfl, &old);
	if (!ret) {
		const int end[3] = { fd[0][0], fd[1][1], fd[2][1] };

		pid = fork();
		if (!pid)
			child(r, end);
		if (pid < 0)
			ret = -errno;
	}
	/* The child's ends, and that of what it has been given to read. */
	close(fd[0][0]);
	close(fd[0][1]);
	close(fd[1][1]);
	close(fd[2][1]);
	if (pid > 0) {
		ret = collect(r, fd[1][0], fd[2][0]);
		if (ret)
			kill(pid, SIGKILL);
		got = wait_for(pid);
		if (!ret)
			ret = got;
	}
	close(fd[1][0]);
	close(fd[2][0]);
	sigaction(SIGCHLD, &old, NULL);
	for (char *c = r->err; *c; c++)
		if (*c != '\n' && (*c < ' ' || *c > '~'))
			*c = '?';
	return ret;
}

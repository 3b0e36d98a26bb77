// SPDX-License-Identifier: GPL-2.0-only
/*
 * onpty - run a command on a terminal of its own and answer its prompts.
 *
 *	onpty [PROMPT ANSWER]... -- COMMAND...
 *
 * Each ANSWER is sent with a newline when the output has come to hold the next PROMPT; the
 * answer "^C" is the key that interrupts, "^D" the one that ends, "^Z" the one that stops (the
 * command is then continued). An answer is a secret: the terminal must not echo when
 * it is asked for, and echo again when the command has ended.
 *
 * Prints what the terminal showed. Exit code: the command's, 128 and the signal it died of,
 * or 90: doesn't echo afterwards, 91: echoes at a prompt, 92: no prompt in 60 s.
 */
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

#define SECONDS	60

static char shown[65536];
static size_t have, searched;

/* Read what there is. Return: 0 at the end. */
static int more(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, ms) <= 0)
		return 1;
	n = read(fd, shown + have, sizeof(shown) - 1 - have);
	if (n <= 0)
		return 0;
	have += n;
	shown[have] = 0;
	return have < sizeof(shown) - 1;
}

static int echoes(int fd)
{
	struct termios t;

	if (tcgetattr(fd, &t))
		err(1, "tcgetattr");
	return !!(t.c_lflag & ECHO);
}

static void finish(int code, pid_t pid)
{
	fputs(shown, stdout);
	/* The terminal hangs up with its session's leader. */
	if (code)
		kill(pid, SIGKILL);
	exit(code);
}

static void wait_for(int fd, const char *prompt, pid_t pid)
{
	time_t end = time(NULL) + SECONDS;
	char *at;

	while (!(at = strstr(shown + searched, prompt))) {
		if (time(NULL) > end || !more(fd, 1000)) {
			warnx("no prompt: %s", prompt);
			finish(92, pid);
		}
	}
	searched = at - shown + strlen(prompt);
	if (echoes(fd)) {
		warnx("the terminal echoes at: %s", prompt);
		finish(91, pid);
	}
}

static void answer(int fd, const char *text)
{
	char line[8192];

	if (text[0] == '^' && text[1] && !text[2])
		snprintf(line, sizeof(line), "%c", text[1] & 31);
	else
		snprintf(line, sizeof(line), "%s\n", text);
	if (write(fd, line, strlen(line)) != (ssize_t)strlen(line))
		err(1, "write");
}

/* What a shell does: run the command in the foreground; continue it when it was stopped. */
static int lead(char **command)
{
	int status;
	pid_t pid;

	/* The terminal's new foreground is set from the background. */
	signal(SIGTTOU, SIG_IGN);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		setpgid(0, 0);
		tcsetpgrp(0, getpid());
		signal(SIGTTOU, SIG_DFL);
		execvp(command[0], command);
		err(127, "%s", command[0]);
	}
	for (;;) {
		if (waitpid(pid, &status, WUNTRACED) != pid)
			err(1, "wait");
		if (!WIFSTOPPED(status))
			return WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
						     WEXITSTATUS(status);
		if (!echoes(0))
			return 90;
		kill(-pid, SIGCONT);
	}
}

int main(int argc, char **argv)
{
	int dash = 1, fd, slave, status;
	pid_t pid;

	while (dash < argc && strcmp(argv[dash], "--"))
		dash += 2;
	if (dash + 1 >= argc)
		errx(2, "onpty [PROMPT ANSWER]... -- COMMAND...");
	if (openpty(&fd, &slave, NULL, NULL, NULL))
		err(1, "openpty");
	/* This side keeps both ends open, to look at the terminal afterwards. */
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		if (login_tty(slave))
			err(1, "login_tty");
		_exit(lead(argv + dash + 1));
	}
	for (int i = 1; i < dash; i += 2) {
		wait_for(fd, argv[i], pid);
		answer(fd, argv[i + 1]);
	}
	for (time_t end = time(NULL) + SECONDS;;) {
		pid_t done = waitpid(pid, &status, WNOHANG);

		more(fd, done == pid ? 0 : 50);
		if (done == pid)
			break;
		if (time(NULL) > end)
			finish(92, pid);
	}
	more(fd, 0);
	if (!echoes(fd)) {
		warnx("the terminal doesn't echo any more");
		finish(90, pid);
	}
	fputs(shown, stdout);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

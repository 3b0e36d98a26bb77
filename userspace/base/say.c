// SPDX-License-Identifier: GPL-2.0-only
/*
 * All that the tool says to people goes through here, so that nothing of it is
 * raw (shown.c), whoever's words are in it; and that what can't be written
 * doesn't pass for success.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"

static __printf(4, 0) void put(FILE *f, const char *before, const char *after,
			       const char *fmt, va_list ap)
{
	char *shown = shown_format(fmt, ap);

	/* Without memory show at least our own words. */
	fprintf(f, "%s%s%s", before, shown ? shown : fmt, after);
	free(shown);
}

/**
 * fail() - print why a command fails
 * @code: exit code
 * @fmt: what went wrong, where, and what to do; one line
 *
 * Return: @code.
 */
int fail(int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(stderr, "inocrypt: ", "\n", fmt, ap);
	va_end(ap);
	return code;
}

/**
 * warn() - print something the user should know, and go on
 * @fmt: as printf; one line
 */
void warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(stderr, "inocrypt: warning: ", "\n", fmt, ap);
	va_end(ap);
}

/**
 * tell() - print more about what was said, or that all is well
 * @fmt: as printf; one line
 */
void tell(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(stderr, "inocrypt: ", "\n", fmt, ap);
	va_end(ap);
}

/**
 * say() - print a line of what was asked for, on the standard output
 * @fmt: as printf; without the newline
 */
void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(stdout, "", "\n", fmt, ap);
	va_end(ap);
}

/**
 * say_part() - print the beginning of a line, which say() or say_end() ends
 * @fmt: as printf
 */
void say_part(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(stdout, "", "", fmt, ap);
	va_end(ap);
}

/**
 * say_end() - end a line that say_part() began
 */
void say_end(void)
{
	fputc('\n', stdout);
}

/**
 * args_error() - end the program because of its arguments
 * @state: of the parser that found it
 * @fmt: as printf; one line
 */
void args_error(const struct argp_state *state, const char *fmt, ...)
{
	va_list ap;
	char *shown;

	va_start(ap, fmt);
	shown = shown_format(fmt, ap);
	va_end(ap);
	argp_error(state, "%s", shown ? shown : fmt);
	free(shown);
}

static void check_stdout(int status, void *unused)
{
	(void)unused;
	if (!fflush(stdout) && !ferror(stdout))
		return;
	fail(EX_FAIL, "can't write all of the output: %s", strerror(errno));
	if (!status)
		_exit(EX_FAIL);
}

/**
 * say_begin() - before anything else: what is said arrives, or it is an error
 *
 * Where a standard descriptor is closed, the next file that is opened, a
 * device maybe, would get our words.
 */
void say_begin(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd ? O_RDONLY : O_WRONLY) != fd)
			_exit(EX_FAIL);
	on_exit(check_stdout, NULL);
}

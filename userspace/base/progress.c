// SPDX-License-Identifier: GPL-2.0-only
/*
 * A progress bar on standard error, for commands that may take long.
 */
#include <time.h>
#include <unistd.h>

#include "base/base.h"

#define BAR	30

static struct {
	bool on, shown;
	struct timespec start, last;
} bar;

static double since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - then->tv_sec) +
	       (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

/**
 * progress_start() - begin
 * @on: show anything, if standard error is a terminal
 */
void progress_start(bool on)
{
	bar.on = on && isatty(STDERR_FILENO);
	clock_gettime(CLOCK_MONOTONIC, &bar.start);
	bar.last = bar.start;
}

/**
 * progress_show() - how far it is, at most ten times a second
 * @what: is being done, a word
 * @done: so much of @all; of no matter if @all is 0
 * @all: the whole
 * @bytes: of data verified so far
 */
void progress_show(const char *what, u64 done, u64 all, u64 bytes)
{
	static const char full[BAR + 1] = "##############################";
	double part = all ? (double)done / (double)all : 0, seconds;
	int n = (int)(part * BAR);

	if (!bar.on || since(&bar.last) < 0.1)
		return;
	clock_gettime(CLOCK_MONOTONIC, &bar.last);
	bar.shown = true;
	seconds = since(&bar.start);
	fprintf(stderr, "\r%-5s", what);
	if (all)
		fprintf(stderr, " [%.*s%*s] %3d %%", n, full, BAR - n, "",
			(int)(part * 100));
	else
		fprintf(stderr, " %llu", (unsigned long long)done);
	if (bytes)
		fprintf(stderr, "  %llu MiB of data, %.0f MiB/s",
			(unsigned long long)(bytes / MIB),
			(double)bytes / MIB / seconds);
	if (part > 0.01 && seconds > 2)
		fprintf(stderr, "  %.0f s left",
			seconds * (1 - part) / part);
	fputs("\033[K", stderr);
}

/**
 * progress_clear() - take it away, before something else is printed
 */
void progress_clear(void)
{
	if (bar.shown)
		fputs("\r\033[K", stderr);
	bar.shown = false;
}

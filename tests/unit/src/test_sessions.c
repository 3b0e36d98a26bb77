// SPDX-License-Identifier: GPL-2.0-only
/*
 * How pam_inocrypt counts sessions: several processes at once, those that end
 * without a word, files that a crash left half written; and its helper's runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pam/pam_inocrypt.h"
#include "unit.h"

#define KEY1	"00112233445566778899aabbccddeeff"
#define KEY2	"ffeeddccbbaa99887766554433221100"

static char dir[] = "/tmp/sessions.XXXXXX";
static char files[64];

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	/* Its parent isn't there either. */
	snprintf(files, sizeof(files), "%s/a/pam", dir);
	return sessions_make_dir(files);
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

static void put(unsigned int uid, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%u", files, uid);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void open_file(struct sessions *s, unsigned int uid, unsigned int nr,
		      unsigned int keys)
{
	assert_int_equal(sessions_open(s, files, uid, 0), 0);
	assert_int_equal(s->nr, nr);
	assert_int_equal(s->keys, keys);
}

static void test_count(void **state)
{
	char a[SESSION_TOKEN_SIZE], b[SESSION_TOKEN_SIZE];
	struct sessions s, t;

	(void)state;
	open_file(&s, 1000, 0, 0);
	assert_int_equal(sessions_add(&s, a), 0);
	assert_int_equal(sessions_add(&s, b), 0);
	assert_string_not_equal(a, b);
	assert_int_equal(sessions_add_key(&s, KEY1), 0);
	assert_int_equal(sessions_add_key(&s, KEY1), 0);
	assert_int_equal(sessions_add_key(&s, KEY2), 0);
	assert_true(sessions_add_key(&s, "../" KEY1) < 0);
	assert_true(sessions_add_key(&s, "") < 0);
	assert_int_equal(sessions_save(&s), 0);
	/* Nobody else gets at it meanwhile, but for another user's. */
	assert_int_equal(sessions_open(&t, files, 1000, 100), -EBUSY);
	open_file(&t, 1001, 0, 0);
	sessions_close(&t);
	sessions_close(&s);

	open_file(&s, 1000, 2, 2);
	sessions_remove(&s, "00000000000000000000000000000000");
	assert_int_equal(s.nr, 2);
	sessions_remove(&s, a);
	assert_int_equal(s.nr, 1);
	assert_int_equal(sessions_save(&s), 0);
	sessions_close(&s);
	open_file(&s, 1000, 1, 2);
	assert_string_equal(s.session[0].token, b);
	/* Without a name: this process's. */
	sessions_remove(&s, NULL);
	assert_int_equal(s.nr, 0);
	s.keys = 0;
	assert_int_equal(sessions_save(&s), 0);
	sessions_close(&s);
	open_file(&s, 1000, 0, 0);
	sessions_close(&s);
}

/* A child, and a pipe on which it says that it is ready. */
static pid_t begin_child(int fd[2])
{
	pid_t pid;

	assert_int_equal(pipe(fd), 0);
	pid = fork();
	assert_true(pid >= 0);
	return pid;
}

/* Who opened a session is killed: it is over, what it unlocked is known. */
static void test_killed(void **state)
{
	char token[SESSION_TOKEN_SIZE], c;
	struct sessions s;
	int fd[2];
	pid_t pid;

	(void)state;
	pid = begin_child(fd);
	if (!pid) {
		if (sessions_open(&s, files, 7, 0) ||
		    sessions_add(&s, token) || sessions_add_key(&s, KEY1) ||
		    sessions_save(&s))
			_exit(1);
		sessions_close(&s);
		if (write(fd[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(fd[0], &c, 1), 1);
	open_file(&s, 7, 1, 1);
	sessions_close(&s);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	open_file(&s, 7, 0, 1);
	sessions_close(&s);
	close(fd[0]);
	close(fd[1]);
}

/* Whoever sweeps up is ended by who needs the file, with what it has started. */
static void test_sweeper(void **state)
{
	struct sessions s;
	char c[2];
	int fd[2];
	pid_t pid;

	(void)state;
	pid = begin_child(fd);
	if (!pid) {
		if (setpgid(0, 0) || sessions_open(&s, files, 30, 0) ||
		    sessions_add_key(&s, KEY1))
			_exit(1);
		s.sweeper = true;
		if (sessions_save(&s))
			_exit(1);
		/* Both have the lock; neither can do anything. */
		if (fork() && write(fd[1], "", 1) != 1)
			_exit(1);
		kill(getpid(), SIGSTOP);
		_exit(1);
	}
	close(fd[1]);
	assert_int_equal(read(fd[0], c, 1), 1);
	/* Not by another one, which has time. */
	assert_int_equal(sessions_open(&s, files, 30, 0), -EBUSY);
	assert_int_equal(kill(pid, 0), 0);
	assert_int_equal(sessions_open(&s, files, 30, 100000), 0);
	assert_int_equal(s.nr, 0);
	assert_int_equal(s.keys, 1);
	assert_int_equal(sessions_save(&s), 0);
	sessions_close(&s);
	/* It is gone, and so is the other: the pipe has an end. */
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(read(fd[0], c, 1), 0);
	close(fd[0]);
}

static void test_bad_files(void **state)
{
	char text[256];
	struct sessions s;

	(void)state;
	/* A process of that number, but another one. */
	snprintf(text, sizeof(text), "S %s %d 1\n", KEY1, (int)getpid());
	put(8, text);
	open_file(&s, 8, 0, 0);
	sessions_close(&s);
	/* Cut off, or nonsense. */
	put(8, "K " KEY1 "\nK xyz\nS\nS a b c\nS " KEY1 " -1 5\n\n\xff\nK " KEY2);
	open_file(&s, 8, 0, 1);
	assert_string_equal(s.key[0], KEY1);
	sessions_close(&s);
	for (int i = 0; i < 3000; i++) {
		char junk[300];

		for (size_t k = 0; k < sizeof(junk) - 1; k++)
			junk[k] = "SK 0a1\n-x"[rnd() % 9];
		junk[sizeof(junk) - 1] = 0;
		put(9, junk);
		assert_int_equal(sessions_open(&s, files, 9, 0), 0);
		sessions_close(&s);
	}
}

static int run(struct run *r, const char *script, const char *input,
	       unsigned int timeout)
{
	const char *argv[] = { "sh", "-c", script, NULL };

	r->path = "/bin/sh";
	r->argv = (char *const *)argv;
	r->input = input;
	r->input_len = input ? strlen(input) : 0;
	r->timeout_ms = timeout;
	return run_helper(r);
}

/* Run what hangs, for as long as a busy machine takes to let it say something. */
static int run_short(struct run *r, const char *command)
{
	unsigned int ms = 300;
	int ret;

	do {
		ret = run(r, command, NULL, ms);
		ms *= 2;
	} while (!*r->out && ms < 10000);
	return ret;
}

static void test_run(void **state)
{
	static const struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct sigaction now;
	struct timespec t0, t1;
	struct run r;

	(void)state;
	if (geteuid()) {
		print_message("not root: the helper can't be run\n");
		skip();
	}
	/* The program around us ignores its children; that stays its choice. */
	sigaction(SIGCHLD, &ignore, NULL);
	setenv("LD_PRELOAD_TEST", "secret", 1);
	assert_int_equal(run(&r, "cat; printf 'a\\033[1mb\\n' >&2; env; exit 6",
			     "pass word", 10000), 6);
	assert_memory_equal(r.out, "pass word", 9);
	assert_null(strstr(r.out, "secret"));
	assert_string_equal(r.err, "a?[1mb\n");
	sigaction(SIGCHLD, NULL, &now);
	assert_true(now.sa_handler == SIG_IGN);
	signal(SIGCHLD, SIG_DFL);

	/* It inherits nothing: only 0, 1, 2, and ls's own. */
	assert_int_equal(open("/dev/null", O_RDONLY) >= 0, 1);
	assert_int_equal(run(&r, "set -- /proc/self/fd/*; echo $#", NULL, 10000),
			 0);
	assert_true(atoi(r.out) <= 4);

	/* More than fits; what it wrote before it hung. */
	assert_int_equal(run(&r, "yes | head -c 100000", NULL, 10000), 0);
	assert_int_equal(strlen(r.out), RUN_OUTPUT_SIZE - 1);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	assert_int_equal(run_short(&r, "echo so far; exec sleep 100"),
			 -ETIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	assert_string_equal(r.out, "so far\n");
	assert_in_range(t1.tv_sec - t0.tv_sec, 0, 20);
	/* As a user can do with what runs as him. */
	assert_int_equal(run_short(&r, "echo so far; kill -STOP $$; echo more"),
			 -ETIMEDOUT);
	assert_string_equal(r.out, "so far\n");
	assert_int_equal(run(&r, "kill -9 $$", NULL, 10000), -EINTR);
	/* The program gets no children that it doesn't know of. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	r.path = "/nonexistent";
	assert_int_equal(run_helper(&r), 127);
}

/* Nobody waits for it, and it is nobody's child. */
static void test_detached(void **state)
{
	const char *argv[] = { "sh", "-c", NULL, NULL };
	char script[512], path[128];
	struct stat st;
	int fd;

	(void)state;
	if (geteuid()) {
		print_message("not root: the helper can't be run\n");
		skip();
	}
	snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(script, sizeof(script),
		 "echo a; read x <%s && echo $x $(ls /proc/self/fd | wc -l) >%s/done.new && mv %s/done.new %s/done",
		 path, dir, dir, dir);
	argv[2] = script;
	run_detached("/bin/sh", (char *const *)argv);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	fd = open(path, O_WRONLY);
	assert_int_equal(write(fd, "word\n", 5), 5);
	close(fd);
	snprintf(path, sizeof(path), "%s/done", dir);
	while (stat(path, &st))
		usleep(1000);
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, script, sizeof(script)), 7);
	/* 0, 1, 2, and ls's own. */
	assert_memory_equal(script, "word 4\n", 7);
	close(fd);
}

/* Is there anything to be looked after? */
static void test_others(void **state)
{
	struct sessions s;
	char ids[SESSION_IDS_SIZE];

	(void)state;
	assert_false(sessions_others("/nonexistent", 20));
	snprintf(ids, sizeof(ids), "find %s -type f -delete", files);
	assert_int_equal(system(ids), 0);
	open_file(&s, 20, 0, 0);
	sessions_key_ids(&s, ids);
	assert_string_equal(ids, "");
	assert_int_equal(sessions_add_key(&s, KEY1), 0);
	assert_int_equal(sessions_add_key(&s, KEY2), 0);
	assert_int_equal(sessions_save(&s), 0);
	sessions_key_ids(&s, ids);
	assert_string_equal(ids, KEY1 "," KEY2);
	assert_false(sessions_others(files, 20));
	assert_true(sessions_others(files, 2));
	sessions_locked(&s, -ETIMEDOUT);
	assert_int_equal(s.keys, 2);
	sessions_locked(&s, HELPER_BUSY);
	assert_int_equal(s.keys, 0);
	assert_int_equal(sessions_save(&s), 0);
	sessions_close(&s);
	/* An empty file is one of somebody who has nothing. */
	assert_false(sessions_others(files, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_sweeper),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_run),
		cmocka_unit_test(test_detached),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

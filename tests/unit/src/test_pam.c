// SPDX-License-Identifier: GPL-2.0-only
/*
 * pam_inocrypt between PAM and its helper, both of them played here: who gets the
 * password, and when it is gone.
 */
#include <dirent.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <security/pam_modules.h>
#include <security/pam_ext.h>
#include <security/pam_modutil.h>

#include "pam/pam_inocrypt.h"
#include "unit.h"

#define UID	4711
#define NR_KEPT	4u
#define OTHER	4712
#define KEY	"00112233445566778899aabbccddeeff"

/* What is kept by pam_set_data(). */
static struct {
	const char	*name;
	void		*data;
	void		(*cleanup)(pam_handle_t *pamh, void *data, int status);
} kept[NR_KEPT];

/* PAM's; nobody looks into it. */
static char pam;
#define handle	((pam_handle_t *)&pam)

static uid_t user = UID;
static char logged[4096], given[512];
static const char *answer;
static int helpers, detached;
static bool kept_when_detached;

static void *kept_data(const char *name)
{
	for (size_t i = 0; i < NR_KEPT; i++)
		if (kept[i].data && !strcmp(kept[i].name, name))
			return kept[i].data;
	return NULL;
}

int pam_set_data(pam_handle_t *pamh, const char *name, void *data,
		 void (*cleanup)(pam_handle_t *pamh, void *data, int status))
{
	size_t i, to = NR_KEPT;

	for (i = NR_KEPT; i--;) {
		if (kept[i].data && !strcmp(kept[i].name, name)) {
			if (kept[i].cleanup)
				kept[i].cleanup(pamh, kept[i].data, 0);
			kept[i].data = NULL;
		}
		if (!kept[i].data)
			to = i;
	}
	assert_true(to < NR_KEPT);
	kept[to].name = name;
	kept[to].data = data;
	kept[to].cleanup = cleanup;
	return PAM_SUCCESS;
}

int pam_get_data(const pam_handle_t *pamh, const char *name, const void **data)
{
	(void)pamh;
	*data = kept_data(name);
	return *data ? PAM_SUCCESS : PAM_NO_MODULE_DATA;
}

int pam_get_item(const pam_handle_t *pamh, int type, const void **item)
{
	(void)pamh;
	*item = type == PAM_AUTHTOK ? "the password" : NULL;
	return PAM_SUCCESS;
}

int pam_get_user(pam_handle_t *pamh, const char **name, const char *prompt)
{
	(void)pamh;
	(void)prompt;
	*name = "somebody";
	return PAM_SUCCESS;
}

struct passwd *pam_modutil_getpwnam(pam_handle_t *pamh, const char *name)
{
	static struct passwd pw;

	(void)pamh;
	pw.pw_name = (char *)name;
	pw.pw_uid = user;
	return &pw;
}

void pam_syslog(const pam_handle_t *pamh, int priority, const char *fmt, ...)
{
	size_t n = strlen(logged);
	va_list ap;

	(void)pamh;
	(void)priority;
	va_start(ap, fmt);
	vsnprintf(logged + n, sizeof(logged) - n, fmt, ap);
	va_end(ap);
}

int pam_prompt(pam_handle_t *pamh, int style, char **response, const char *fmt,
	       ...)
{
	(void)pamh;
	(void)style;
	(void)response;
	(void)fmt;
	return PAM_SUCCESS;
}

uid_t geteuid(void)
{
	return 0;
}

long long run_now_ms(void)
{
	return 0;
}

int run_helper(struct run *r)
{
	helpers++;
	memcpy(given, r->input, r->input_len);
	given[r->input_len] = 0;
	snprintf(r->out, sizeof(r->out), "%s", answer);
	r->err[0] = 0;
	return HELPER_DONE;
}

void run_detached(const char *path, char *const *argv)
{
	(void)path;
	(void)argv;
	detached++;
	kept_when_detached = kept_data("inocrypt_password");
}

static int fresh(void **state)
{
	char name[128];

	(void)state;
	assert_true(!sessions_make_dir(SESSION_DIR));
	snprintf(name, sizeof(name), SESSION_DIR "/%d", UID);
	unlink(name);
	snprintf(name, sizeof(name), SESSION_DIR "/%d", OTHER);
	unlink(name);
	user = UID;
	answer = KEY "\n";
	helpers = 0;
	detached = 0;
	logged[0] = 0;
	given[0] = 0;
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (size_t i = 0; i < NR_KEPT; i++)
		if (kept[i].data)
			pam_set_data(handle, kept[i].name, NULL, NULL);
	return 0;
}

static void open_session(int want)
{
	assert_int_equal(pam_sm_authenticate(handle, 0, 0, NULL), PAM_IGNORE);
	assert_non_null(kept_data("inocrypt_password"));
	assert_int_equal(pam_sm_open_session(handle, 0, 0, NULL), want);
	/* It isn't needed any more, whatever came of it. */
	assert_null(kept_data("inocrypt_password"));
}

static void test_password(void **state)
{
	struct sessions s;

	(void)state;
	open_session(PAM_SUCCESS);
	assert_int_equal(helpers, 1);
	assert_string_equal(given, "the password");
	assert_int_equal(detached, 0);
	assert_int_equal(sessions_open(&s, SESSION_DIR, UID, 0), 0);
	assert_int_equal(s.keys, 1);
	assert_string_equal(s.key[0], KEY);
	sessions_close(&s);
}

/* What others left is seen to by a child: it has no password in its memory. */
static void test_child(void **state)
{
	struct sessions s;

	(void)state;
	assert_int_equal(sessions_open(&s, SESSION_DIR, OTHER, 0), 0);
	assert_int_equal(sessions_add_key(&s, KEY), 0);
	assert_int_equal(sessions_save(&s), 0);
	sessions_close(&s);
	open_session(PAM_SUCCESS);
	assert_int_equal(detached, 1);
	assert_false(kept_when_detached);
}

/* As "sudo -i" does it. */
static void test_other(void **state)
{
	(void)state;
	assert_int_equal(pam_sm_authenticate(handle, 0, 0, NULL), PAM_IGNORE);
	user = OTHER;
	assert_int_equal(pam_sm_open_session(handle, 0, 0, NULL), PAM_SUCCESS);
	assert_int_equal(helpers, 0);
	assert_null(kept_data("inocrypt_password"));
}

/* More than there is room for is said, as nobody is going to lock it. */
static void test_full(void **state)
{
	char text[100 * SESSION_KEY_SIZE + 1], *to = text;
	struct sessions s;

	(void)state;
	for (int i = 0; i < SESSION_KEYS_MAX + 2; i++)
		to += sprintf(to, "%032x\n", i);
	answer = text;
	open_session(PAM_SUCCESS);
	assert_null(strstr(logged, "00003f of somebody can't be noted"));
	assert_non_null(strstr(logged, "000040 of somebody can't be noted"));
	assert_non_null(strstr(logged, "000041 of somebody can't be noted"));

	/* And a session more than that isn't one. */
	fresh(NULL);
	assert_int_equal(sessions_open(&s, SESSION_DIR, UID, 0), 0);
	while (s.nr < SESSIONS_MAX) {
		char token[SESSION_TOKEN_SIZE];

		assert_int_equal(sessions_add(&s, token), 0);
	}
	assert_int_equal(sessions_save(&s), 0);
	sessions_close(&s);
	open_session(PAM_IGNORE);
	assert_int_equal(helpers, 0);
	assert_non_null(strstr(logged, "the session isn't counted"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_password, fresh, end),
		cmocka_unit_test_setup_teardown(test_child, fresh, end),
		cmocka_unit_test_setup_teardown(test_other, fresh, end),
		cmocka_unit_test_setup_teardown(test_full, fresh, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

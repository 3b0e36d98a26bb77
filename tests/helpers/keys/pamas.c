// SPDX-License-Identifier: GPL-2.0-only
/*
 * pamas USER OTHER PASSWORD COMMAND - what sudo -i does: authenticate as USER by
 * the service "t", and open a session for OTHER, in which COMMAND is run by root.
 * Exit code: COMMAND's, or 100 if PAM says no.  libs: -lpam
 */
#include <security/pam_appl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static char *password;

static int answer(int n, const struct pam_message **messages,
		  struct pam_response **responses, void *data)
{
	struct pam_response *r = calloc(n, sizeof(*r));

	(void)messages;
	(void)data;
	if (!r)
		return PAM_BUF_ERR;
	for (int i = 0; i < n; i++)
		r[i].resp = strdup(password);
	*responses = r;
	return PAM_SUCCESS;
}

int main(int argc, char **argv)
{
	const struct pam_conv conv = { .conv = answer };
	pam_handle_t *h;
	int ret;

	if (argc != 5)
		return 2;
	password = argv[3];
	if (pam_start("t", argv[1], &conv, &h) || pam_authenticate(h, 0) ||
	    pam_set_item(h, PAM_USER, argv[2]) || pam_open_session(h, 0))
		return 100;
	ret = system(argv[4]);
	pam_close_session(h, 0);
	pam_end(h, 0);
	return WIFEXITED(ret) ? WEXITSTATUS(ret) : 100;
}

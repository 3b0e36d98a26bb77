/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Text that somebody else chose, as it may be shown.  A header of its own, as the
 * PAM module has this, and nothing else of ours.
 */
#ifndef IC_SHOWN_H
#define IC_SHOWN_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

size_t shown_decode(const char *s, uint32_t *c);
char *shown_text(const char *s);
__attribute__((format(printf, 1, 0))) char *shown_format(const char *fmt, va_list ap);
const char *shown_word(const char *s);
const char *shown_path(const char *path);

#endif /* IC_SHOWN_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which kernels this builds for: those that its tests ran on.
 */
#ifndef COMPAT_VERSION_H
#define COMPAT_VERSION_H

#include <linux/version.h>

/* For #if: is the kernel of this series, or a later one? */
#define IC_SINCE(_major, _minor)					\
	(KERNEL_VERSION(_major, _minor, 0) <= LINUX_VERSION_CODE)

#if !IC_SINCE(6, 1) || (IC_SINCE(6, 2) && !IC_SINCE(6, 12)) || IC_SINCE(6, 13)
#error "inocrypt: this kernel series is not supported yet"
#endif

#endif /* COMPAT_VERSION_H */

// SPDX-License-Identifier: GPL-2.0-only
int report_all(int how, unsigned long long budget);
int report_all(int how, unsigned long long budget) { (void)how; (void)budget; return 0; }

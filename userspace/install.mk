# SPDX-License-Identifier: GPL-2.0-only
# What goes with the tool: systemd's generator and unit, the udev rule, the PAM module and its
# helper, manual pages, completion. Built into build/glue/, installed by "make install".
# Part of userspace/Makefile.

PREFIX	?= /usr/local
SBINDIR	?= $(PREFIX)/sbin
LIBEXECDIR ?= $(PREFIX)/libexec/inocrypt
UNITDIR	?= $(PREFIX)/lib/systemd/system
GENERATORDIR ?= $(PREFIX)/lib/systemd/system-generators
UDEVDIR	?= $(PREFIX)/lib/udev/rules.d
MANDIR	?= $(PREFIX)/share/man
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
# These two are where PAM looks, whatever PREFIX is.
PAMDIR	?= /lib/$(shell $(CC) -print-multiarch)/security
PAMCONFIGDIR ?= /usr/share/pam-configs

GLUE	:= $(OUT)/glue
MAN8	:= $(wildcard $(ROOT)/userspace/man/*.8) $(GLUE)/inocrypt.8
MAN5	:= $(wildcard $(ROOT)/userspace/man/*.5)
UNIT	:= inocrypt-anchor@.service

all: $(GLUE)/inocrypt-generator $(GLUE)/$(UNIT) $(GLUE)/pam_inocrypt.so $(GLUE)/pam-helper \
	$(GLUE)/inocrypt.8

# Paths that are built in: what holds them is made anew when they change.
PATHS	:= $(SBINDIR) $(UNITDIR) $(LIBEXECDIR)
$(GLUE)/paths: FORCE
	@mkdir -p $(GLUE)
	@echo '$(PATHS)' | cmp -s - $@ || echo '$(PATHS)' >$@
FORCE:

$(GLUE)/inocrypt-generator: $(ROOT)/userspace/boot/systemd/generator.c $(OBJ)/boot/inocrypttab.o \
		$(OBJ)/base/parse.o $(OBJ)/base/say.o $(OBJ)/base/shown.o $(GLUE)/paths
	$(CC) $(INO_CFLAGS) $(CFLAGS) -DSBINDIR='"$(SBINDIR)"' -DUNITDIR='"$(UNITDIR)"' \
		$(LDFLAGS) -o $@ $(filter %.c %.o,$^)

$(GLUE)/$(UNIT): $(ROOT)/userspace/boot/systemd/$(UNIT).in $(GLUE)/paths
	sed 's#@SBINDIR@#$(SBINDIR)#' $< >$@

# What the tool's tables have is put in: it says so itself.
$(GLUE)/inocrypt.8: $(ROOT)/userspace/man/inocrypt.8.in $(ROOT)/userspace/man/make-page $(OUT)/inocrypt
	@mkdir -p $(GLUE)
	$(ROOT)/userspace/man/make-page $(OUT)/inocrypt $< >$@.new
	mv $@.new $@

# The module is loaded by other people's programs: it has nothing but libpam and libc.
PAM	:= $(addprefix $(ROOT)/userspace/,pam/pam_inocrypt.c pam/run.c pam/sessions.c base/shown.c)
$(GLUE)/pam_inocrypt.so: $(PAM) $(ROOT)/userspace/pam/pam_inocrypt.h $(GLUE)/paths
	$(CC) $(INO_CFLAGS) $(CFLAGS) -DLIBEXECDIR='"$(LIBEXECDIR)"' -fPIC -fvisibility=hidden \
		-shared -Wl,-z,defs -Wl,-z,now $(LDFLAGS) -o $@ $(PAM) -lpam

HELPER	:= $(addprefix $(ROOT)/userspace/pam/,helper.c sweep.c run.c sessions.c)
$(GLUE)/pam-helper: $(HELPER) $(filter-out %/main.o,$(OBJS)) $(ROOT)/userspace/pam/pam_inocrypt.h
	$(CC) $(INO_CFLAGS) -I$(ROOT)/userspace/pam $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.c %.o,$^) $(INO_LIBS)

PUT	= install -D -m 644
install: all
	install -D -m 755 $(OUT)/inocrypt $(DESTDIR)$(SBINDIR)/inocrypt
	install -D -m 755 $(GLUE)/inocrypt-generator \
		$(DESTDIR)$(GENERATORDIR)/inocrypt-generator
	$(PUT) $(GLUE)/$(UNIT) $(DESTDIR)$(UNITDIR)/$(UNIT)
	$(PUT) $(ROOT)/userspace/boot/udev/61-inocrypt.rules $(DESTDIR)$(UDEVDIR)/61-inocrypt.rules
	for f in $(MAN8); do $(PUT) $$f $(DESTDIR)$(MANDIR)/man8/$${f##*/}; done
	for f in $(MAN5); do $(PUT) $$f $(DESTDIR)$(MANDIR)/man5/$${f##*/}; done
	$(PUT) $(ROOT)/userspace/completion/inocrypt $(DESTDIR)$(COMPLETIONDIR)/inocrypt
	install -D -m 755 $(GLUE)/pam-helper $(DESTDIR)$(LIBEXECDIR)/pam-helper
	$(PUT) $(GLUE)/pam_inocrypt.so $(DESTDIR)$(PAMDIR)/pam_inocrypt.so
	$(PUT) $(ROOT)/userspace/pam/inocrypt.pam-config $(DESTDIR)$(PAMCONFIGDIR)/inocrypt

uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/inocrypt $(DESTDIR)$(GENERATORDIR)/inocrypt-generator \
		$(DESTDIR)$(UNITDIR)/$(UNIT) $(DESTDIR)$(UDEVDIR)/61-inocrypt.rules \
		$(addprefix $(DESTDIR)$(MANDIR)/man8/,$(notdir $(MAN8))) \
		$(addprefix $(DESTDIR)$(MANDIR)/man5/,$(notdir $(MAN5))) \
		$(DESTDIR)$(COMPLETIONDIR)/inocrypt $(DESTDIR)$(LIBEXECDIR)/pam-helper \
		$(DESTDIR)$(PAMDIR)/pam_inocrypt.so $(DESTDIR)$(PAMCONFIGDIR)/inocrypt
	-rmdir $(DESTDIR)$(LIBEXECDIR) 2>/dev/null

.PHONY: install uninstall FORCE

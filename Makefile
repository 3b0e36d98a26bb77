# SPDX-License-Identifier: GPL-2.0-only
#
# inocrypt: "make help" lists what there is. Everything built goes to build/.

SHELL	:= /bin/bash
TOP	:= $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
BUILD	:= $(TOP)/build
export BUILD
# KVER is looked up when first needed: on a fresh machine "deps" has to run before.
KVER	?= $(eval KVER := $$(shell $(TOP)/tools/kver))$(KVER)

CHECK	= KVER=$(KVER) $(TOP)/tests/check

.PHONY: all help deps modules tool tests demo bench scale quick quick2 check check-long check-debug debug-kernel mutants fuzz-mutants layers lint install uninstall clean

all: modules tool

help:
	@echo "make                build the modules and the tool (needs: make deps)"
	@echo "make modules        build/<kernel>/*.ko; KVER=<kernel> picks the kernel"
	@echo "make tool           build/inocrypt"
	@echo "make tests          the tests' own programs, build/tests/"
	@echo "make demo           the main job, shown in a VM with its measurements"
	@echo "make quick          after each change: build, unit tests, some crash states; half a minute"
	@echo "make quick2         before a commit: the same, more of it, and two VM tests; 3 minutes"
	@echo "make check          all tests; T='<name> ...' only some, T=list names them"
	@echo "make check-long     all tests, longer runs"
	@echo "make check-debug    the VM tests with a kernel that looks for bugs, hours in all (T= as above);"
	@echo "                    the first time that kernel is built, some 15 minutes on 2 CPUs"
	@echo "make mutants        break each invariant, see that a test fails; T='<name> ...' only some"
	@echo "make fuzz-mutants   take one check away at a time, see that a fuzzer notices; T='<word> ...'"
	@echo "make bench          beside dm-crypt and others, in VMs: about 35 minutes without KVM; ARGS='--only ssd ...'"
	@echo "make bench DEV=/dev/sdX [SIDECAR=/dev/sdY]"
	@echo "                    on a real device, as root. ALL ITS DATA IS LOST; if it holds any, only with YES=1"
	@echo "make scale          on paper: what volumes of 1 GiB to 64 TiB cost; SCALE='--volume 4T ...' one (--help)"
	@echo "make layers         does each file use only its own layer and those before it (tools/layers.txt)"
	@echo "make lint           checkpatch, sparse, W=1"
	@echo "make deps           install the Debian packages all of this needs"
	@echo "make install        modules, tool, units, PAM module, manual into the running system"
	@echo "make uninstall      take them away again"
	@echo "make clean          remove what was built, but not what was downloaded or the debug kernel"
	@echo "make distclean      remove build/"
	@echo
	@echo "A script in a VM of its own: tools/vm/run SCRIPT (tools/vm/README.md)."

deps:
	@$(TOP)/tools/deps $(if $(filter command% environment%,$(origin KVER)),$(KVER))

modules:
	@$(TOP)/tools/build-modules $(KVER)

tool:
	@if [ -f userspace/Makefile ]; then $(MAKE) --no-print-directory -C userspace; \
	else echo "userspace: skipped, there is no userspace/Makefile"; fi

tests:
	@if [ -f tests/Makefile ]; then $(MAKE) --no-print-directory -s -C tests; fi

# The recipes come one after the other: these targets have to work as the first command on
# a fresh machine.
demo:
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -s modules tool tests
	@KVER=$(KVER) tools/vm/run --header --results $(BUILD)/demo tests/demo.sh

bench:
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -s modules tool tests
	@KVER=$(KVER) bench/run $(if $(DEV),--dev $(DEV) $(if $(SIDECAR),--sidecar $(SIDECAR)) $(if $(filter 1 yes,$(YES)),--yes)) $(ARGS)

scale:
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -s -C bench/scale
	@$(BUILD)/bench/scale/scale $(SCALE)

# For who changes something: no look at what is installed, only what is out of date is built.
quick quick2:
	@$(MAKE) --no-print-directory -s modules tool tests
	@$(CHECK) --$@

check:
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -s modules tool tests
	@$(CHECK) $(T)

check-long:
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -s modules tool tests
	@$(CHECK) --long $(T)

debug-kernel:
	@$(MAKE) --no-print-directory deps
	@$(TOP)/tools/debug-kernel >/dev/null

check-debug: debug-kernel
	@k=$$($(TOP)/tools/debug-kernel --name) && \
	$(MAKE) --no-print-directory -s KVER=$$k modules tool tests && \
	KVER=$$k $(TOP)/tests/check $(T)

mutants:
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -s modules tool tests
	@$(TOP)/tests/mutants/run $(T)

fuzz-mutants:
	@$(MAKE) --no-print-directory deps
	@$(TOP)/tests/fuzz/mutants $(T)

layers:
	@$(MAKE) --no-print-directory -s modules tool tests
	@KVER=$(KVER) $(TOP)/tools/layers

lint:
	@$(TOP)/tools/lint $(KVER)

# userspace/install.mk has the places; all can be set: PREFIX, DESTDIR, PAMDIR, ...
PREFIX	?= /usr/local
export PREFIX
install: all
	@$(MAKE) --no-print-directory -C userspace install
	for m in build/$(KVER)/*.ko; do \
		install -D -m 644 $$m $(DESTDIR)/lib/modules/$(KVER)/updates/$${m##*/}; done
	$(if $(DESTDIR),,$(TOP)/tools/after-install $(KVER))

# By the names of what is built, and of nothing else.
uninstall:
	@$(MAKE) --no-print-directory -C userspace uninstall
	for m in build/$(KVER)/*.ko; do \
		rm -f $(DESTDIR)/lib/modules/$(KVER)/updates/$${m##*/}; done
	$(if $(DESTDIR),,$(TOP)/tools/after-install $(KVER))

clean:
	@cd $(BUILD) 2>/dev/null || exit 0; \
	for d in *; do case $$d in vm|src|roots|debug-kernel) ;; *) rm -rf "$$d" ;; esac; done; \
	rm -rf vm/logs vm/run.*
	@rm -rf $(TOP)/tests/results

.PHONY: distclean
distclean: clean
	@rm -rf $(BUILD)

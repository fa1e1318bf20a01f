# What people type; meson and ninja do the work. "make help" lists the targets.
#
# Variables: BUILD (the release build directory), PREFIX and DESTDIR for install, JOBS,
# TEST_SECONDS (budget of one random test), TORTURE_SECONDS (budget of all torture together).
BUILD ?= build
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
TEST_SECONDS ?= 5
TORTURE_SECONDS ?= 600

debug_options = -Dbuildtype=debug -Dchecks=true -Dsteps=true
asan_options = -Db_sanitize=address,undefined -Dchecks=true
tsan_options = -Db_sanitize=thread -Dchecks=true

ninja = ninja -j $(JOBS) -C
test_run = PF_TEST_SECONDS=$(TEST_SECONDS) scripts/test-run --jobs $(JOBS)

# ninja does what is done in parallel, after the packages are there.
.NOTPARALLEL:
.PHONY: all help deps deps-test deps-style run test torture bench check-style format install clean \
	debug asan tsan test-debug test-asan test-tsan

all: deps
	@sh scripts/configure.sh $(BUILD) -Dprefix=$(PREFIX)
	@$(ninja) $(BUILD) product

help:
	@echo "make              program and library in $(BUILD)/"
	@echo "make run          the demonstration: share, kill, check, report; SRC=DIRECTORY WORK=SECONDS"
	@echo "make test         suites short and long"
	@echo "make torture      kills at every step, damaged images; TORTURE_SECONDS=$(TORTURE_SECONDS)"
	@echo "make bench        figures, as a table, in $(BUILD)/bench.json and bench.svg"
	@echo "make check-style  format, layering, longest functions"
	@echo "make format       lets clang-format rewrite the sources"
	@echo "make install      DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)"
	@echo "make debug asan tsan                 build-debug, build-asan, build-tsan"
	@echo "make test-debug test-asan test-tsan  suite short on them"
	@echo "make clean        removes all of these builds"

deps:
	@sh scripts/deps.sh

# Tests whose packages are not to be had are skipped and say so; nothing else waits for them.
deps-test:
	@sh scripts/deps.sh test || echo "Without them some tests are skipped." >&2

deps-style:
	@sh scripts/deps.sh style

run: all
	@BUILD=$(BUILD) SRC='$(SRC)' WORK='$(WORK)' sh scripts/run.sh

test: deps-test all
	@$(test_run) $(BUILD) short long

# A third of the budget for the release build, one for that with instrumented steps, and one for damaged images under the sanitizers.
torture: deps-test all debug asan
	@scripts/test-run --budget $$(($(TORTURE_SECONDS) / 3)) $(BUILD) torture
	@scripts/test-run --budget $$(($(TORTURE_SECONDS) / 3)) build-debug torture
	@scripts/test-run --budget $$(($(TORTURE_SECONDS) / 3)) build-asan fuzz

bench: all
	@BUILD=$(BUILD) sh scripts/bench.sh

check-style: deps-style
	@scripts/check-style

format: deps-style
	@scripts/check-style --fix

install: all
	@d='$(DESTDIR)'; case $$d in ""|/*) ;; *) d=$$PWD/$$d ;; esac; \
	DESTDIR=$$d meson install --no-rebuild -C $(BUILD)

debug: deps
	@sh scripts/configure.sh build-debug $(debug_options)
	@$(ninja) build-debug product

asan: deps
	@sh scripts/configure.sh build-asan $(asan_options)
	@$(ninja) build-asan product

tsan: deps
	@sh scripts/configure.sh build-tsan $(tsan_options)
	@$(ninja) build-tsan product

test-debug: deps-test debug
	@$(test_run) --slow 2 build-debug short

test-asan: deps-test asan
	@$(test_run) --slow 4 build-asan short

test-tsan: deps-test tsan
	@$(test_run) --slow 8 build-tsan short

clean:
	rm -rf $(BUILD) build-debug build-asan build-tsan

#-------------------------------------------------------------------------
#
# Makefile for pg_quorum
#
#   make                  build the extension and the test tools
#   make install          install it into the PostgreSQL of PG_CONFIG
#   make installcheck     pg_regress (sql/, expected/), then TAP (t/), each on
#                         servers of their own; not as root
#   make ASSERT=1         with the extension's assertions compiled in
#   make LLVM=1           also build bitcode for inlining (needs clang)
#   make WERROR=          do not treat warnings as errors
#
# The consensus core in raft/ is compiled into the module; it also has a
# Makefile of its own, which needs no PostgreSQL.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   Makefile
#
#-------------------------------------------------------------------------

PG_CONFIG ?= pg_config
WERROR ?= -Werror

PROTO = $(sort $(wildcard proto/*.proto))
PROTO_C = $(PROTO:proto/%.proto=proto/build/%.pb-c.c)
PROTO_H = $(PROTO_C:.c=.h)
PROTO_OBJS = $(PROTO_C:.c=.o)

# The wildcards tolerate empty folders, so that a partial tree still builds.
CORE_OBJS = $(patsubst %.c,%.o,$(sort $(wildcard raft/*.c)))
HOST_OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c) $(wildcard src/*/*.c)))
OBJS = $(CORE_OBJS) $(PROTO_OBJS) $(HOST_OBJS)

ifneq ($(strip $(HOST_OBJS)),)
MODULE_big = pg_quorum
endif

EXTENSION = $(patsubst %.control,%,$(wildcard control/*.control))
DATA = $(wildcard control/pg_quorum--*.sql)
PGFILEDESC = "pg_quorum - a replicated key-value store inside PostgreSQL"

PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter $(WERROR)
ifdef ASSERT
PG_CPPFLAGS += -DUSE_ASSERT_CHECKING
endif
# Our folders come after PostgreSQL's, so that no header of ours can stand in
# for one of its own ("storage/...").
PG_CPPFLAGS += -MD -MP -I$(libpq_srcdir) -idirafter $(srcdir)/src \
	-idirafter $(srcdir)/raft -idirafter $(srcdir)/proto/build

SHLIB_LINK = $(libpq)
ifneq ($(strip $(PROTO)),)
SHLIB_LINK += -lprotobuf-c
endif
ifneq ($(wildcard src/gateway/*.c),)
SHLIB_LINK += -lnghttp2 -lhttp_parser -lwslay -lssl -lcrypto
endif

# pg_regress runs in a temporary instance that preloads the library.
REGRESS = $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
REGRESS_OPTS = --temp-instance=tmp_check/instance --temp-config=test/regress.conf \
	--encoding=UTF8
REGRESS_PREP = tmp_check
TAP_TESTS = $(if $(wildcard t/*.pl),1)
PG_PROVE_FLAGS = -I $(srcdir)/t/lib

EXTRA_CLEAN = proto/build build $(OBJS:.o=.d)

ifndef LLVM
override with_llvm := no
endif

PGXS := $(shell $(PG_CONFIG) --pgxs)
ifeq ($(wildcard $(PGXS)),)
$(error $(PG_CONFIG) names no PGXS makefile: install the server's development package or set PG_CONFIG)
endif
include $(PGXS)

# Generated code follows its generator's rules about warnings, not ours.
$(PROTO_OBJS): private CFLAGS += -w

proto/build/%.pb-c.c proto/build/%.pb-c.h: proto/%.proto
	@$(MKDIR_P) proto/build
	protoc-c --proto_path=proto --c_out=proto/build $<

$(CORE_OBJS) $(HOST_OBJS) $(PROTO_OBJS): build/flags | $(PROTO_H)

# Changed flags rebuild everything, as changed headers do.
build/flags: FORCE
	@$(MKDIR_P) build
	@echo '$(subst ','\'',$(CC) $(CFLAGS) $(CPPFLAGS))' >build/flags.new
	@cmp -s build/flags.new $@ || cp build/flags.new $@
	@rm -f build/flags.new

-include $(wildcard $(OBJS:.o=.d))

tmp_check:
	$(MKDIR_P) $@

# The load generator and the history checker of the TAP tests.
ifneq ($(wildcard test/Makefile),)
all: tools
clean: clean-tools
endif
tools:
	$(MAKE) -C test PG_CONFIG='$(PG_CONFIG)'
clean-tools:
	$(MAKE) -C test clean

.PHONY: FORCE tools clean-tools

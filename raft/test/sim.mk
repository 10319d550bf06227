#-------------------------------------------------------------------------
#
# sim.mk: the simulator, and test programs with known bugs to switch on
#
# Included by raft/Makefile.
#
# raft/test/sim.mk
#
#-------------------------------------------------------------------------

SIM_SRCS = $(sort $(wildcard test/simulate*.c test/sim_*.c))
SIM_OBJS = $(SIM_SRCS:%.c=$(B)/%.o)
SIM_BREAK_OBJS = $(SIM_SRCS:%.c=$(B)/break/%.o)
WRAP_OBJ = $(B)/break/test/break_wrap.o
WRAP_LDFLAGS = -Wl,--wrap=raft_config_default

PROGRAMS += $(B)/simulate $(B)/simulate_break
MUTANTS = $(B)/simulate $(B)/simulate_break

$(B)/simulate: $(SIM_OBJS) $(B)/libraft.a
	$(CC) $(CFLAGS_ALL) -o $@ $(SIM_OBJS) $(B)/libraft.a $(LDFLAGS)

# "simulate --break" becomes this one
$(B)/simulate_break: $(SIM_BREAK_OBJS) $(B)/libraft_break.a
	$(CC) $(CFLAGS_ALL) -o $@ $(SIM_BREAK_OBJS) $(B)/libraft_break.a $(LDFLAGS)

ifneq ($(strip $(DD_OBJS)),)
MUTANTS += $(B)/datadriven_break
DD_BREAK_OBJS = $(DD_OBJS:$(B)/%=$(B)/break/%) $(WRAP_OBJ)
$(B)/datadriven_break: $(DD_BREAK_OBJS) $(B)/libraft_break.a
	$(CC) $(CFLAGS_ALL) $(WRAP_LDFLAGS) -o $@ $(DD_BREAK_OBJS) \
		$(B)/libraft_break.a $(LDFLAGS)
endif

ifneq ($(strip $(UNIT_OBJS)),)
MUTANTS += $(B)/unit_break
UNIT_BREAK_OBJS = $(UNIT_OBJS:$(B)/%=$(B)/break/%) $(WRAP_OBJ)
$(B)/unit_break: $(UNIT_BREAK_OBJS) $(B)/libraft_break.a
	$(CC) $(CFLAGS_ALL) $(WRAP_LDFLAGS) -o $@ $(UNIT_BREAK_OBJS) \
		$(B)/libraft_break.a $(LDFLAGS)
endif

# Every known bug must be noticed by some test
mutate: $(MUTANTS)
	SCENARIOS=$(SCENARIOS) test/mutate

.PHONY: mutate

/* What other parts have not brought yet. */
#include "postgres.h"

#include "gateway/hub.h"

#define ABSENT __attribute__((weak))

ABSENT bool hub_turn(Relation store) { return false; }
ABSENT bool hub_has_work(void) { return false; }
ABSENT bool hub_prepare_wait(long *timeout_ms) { return true; }
ABSENT void hub_end_wait(void) {}

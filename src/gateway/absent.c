/* What other parts have not brought yet. */
#include "postgres.h"

#include "gateway/background.h"
#include "gateway/hub.h"
#include "gateway/pages.h"

#define ABSENT __attribute__((weak))

ABSENT bool hub_turn(Relation store) { return false; }
ABSENT bool hub_has_work(void) { return false; }
ABSENT bool hub_prepare_wait(long *timeout_ms) { return true; }
ABSENT void hub_end_wait(void) {}
ABSENT long background_turn(void) { return 1000; }
ABSENT void background_reload(void) {}
ABSENT bool page_exists(const char *path) { return false; }
ABSENT void page_get(PageRequest *request) { page_reply(request, 404, "text/plain", "", 0); }
ABSENT void page_ended(PageRequest *request) {}

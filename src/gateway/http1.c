#include "postgres.h"
#include "gateway/transport.h"
static bool begin(Conn *conn) { return false; }
const Protocol http1_protocol = {.begin = begin};

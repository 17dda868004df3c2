/* request_id.h - what joins an answer, its log line and its events
 */
#ifndef WAKEGATE_REQUEST_ID_H
#define WAKEGATE_REQUEST_ID_H

#include "base/limits.h"

/* 32 hexadecimal digits, another each time; by chance no two processes share
 * them. */
void request_id_make(char ret[REQUEST_ID_BYTES]);

#endif

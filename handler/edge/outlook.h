/* outlook.h - how long until the gateway is ready? An estimate, and no more
 */
#ifndef WAKEGATE_OUTLOOK_H
#define WAKEGATE_OUTLOOK_H

#include <stdint.h>

#include "store/row.h"

struct outlook {
	int64_t elapsed_ms; /* of the start that goes on; -1: none does */
	int64_t usual_ms;   /* how long starts take; 0: not known */
	int64_t eta_ms;	    /* -1: not known */
	double progress;    /* 0 to 1; -1: not known */
	int retry_after_s;  /* when to ask again: at least 1 */
};

/* usual_ms: store_start_time_usual(); now_ms: clock_wall_ms(). */
struct outlook outlook_of(const struct gateway_row *row, int64_t usual_ms,
			  int64_t now_ms);

#endif

/* tell.h - what wakegate-snapshot says: one JSON object a line on standard output
 *
 *	{"phase":"pack","snapshot":12,"bytes":1048576,"total":9000000,"files":40}
 *	{"note":"skipped the socket 'run/gateway.sock'"}
 *	{"ok":true,"code":"done","snapshot":12,"bytes":812345,"files":120}
 *
 * The last line is the result; gateway/snapshot_run.h reads them. Progress is told
 * at most ten times a second.
 */
#ifndef WAKEGATE_TELL_H
#define WAKEGATE_TELL_H

#include <jansson.h>

#include "base/deadline.h"
#include "base/err.h"
#include "snapshot/report.h"
#include "store/store.h"

struct tell {
	const char *phase;
	int64_t snapshot;
	int64_t total; /* 0: not known */
	struct deadline next;
};

/* Begins a phase, and says so. */
void tell_phase(struct tell *tell, const char *phase, int64_t total);
/* What a module of ours reports to. */
struct report tell_report(struct tell *tell);

void tell_done(const char *code, const struct snapshot_row *row);
void tell_failed(const char *code, const struct err *err);
/* Any object; takes it over. */
void tell_json(json_t *json);

#endif

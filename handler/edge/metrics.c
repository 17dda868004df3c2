#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "edge/metrics.h"
#include "edge/problem.h"

#include "base/banned.h"

struct family {
	const char *name;
	const char *type;
	const char *help;
	void (*write)(struct buffer *out, const struct family *family,
		      const struct metrics *gateway, int64_t now_ms);
	const char *counter; /* the store's name for it */
	const char *label;   /* NULL: none */
	const char *const *cases;
};

static int64_t value_of(const struct metrics *gateway, const char *name,
			const char *label)
{
	for (size_t i = 0; i < gateway->counts_len; i++) {
		const struct metric_count *count = &gateway->counts[i];

		if (strcmp(count->name, name) == 0 &&
		    strcmp(count->label, label) == 0)
			return count->value;
	}
	return 0;
}

static void sample(struct buffer *out, const char *name, const char *suffix,
		   const struct metrics *gateway)
{
	buffer_printf(out, "%s%s{gateway=\"%s\"", name, suffix,
		      gateway->row.name);
}

static void number(struct buffer *out, int64_t value)
{
	buffer_printf(out, "} %lld\n", (long long)value);
}

static void seconds(struct buffer *out, int64_t ms)
{
	buffer_printf(out, "} %lld.%03d\n", (long long)(ms / 1000),
		      (int)(ms % 1000));
}

/* --- counters ------------------------------------------------------------------ */

static const char *const request_codes[] = { "1xx", "2xx",  "3xx", "4xx",
					     "5xx", "gone", NULL };
static const char *const retry_outcomes[] = { "ok", "failed", NULL };
static const char *const start_outcomes[] = {
	"ready", "adopted", "exited", "timeout", "stopped", "spawn_failed", NULL
};

static void write_counter(struct buffer *out, const struct family *family,
			  const struct metrics *gateway, int64_t now_ms)
{
	(void)now_ms;
	if (!family->label) {
		sample(out, family->name, "", gateway);
		number(out, value_of(gateway, family->counter, ""));
		return;
	}
	for (const char *const *one = family->cases; *one; one++) {
		sample(out, family->name, "", gateway);
		buffer_printf(out, ",%s=\"%s\"", family->label, *one);
		number(out, value_of(gateway, family->counter, *one));
	}
}

static void write_refusals(struct buffer *out, const struct family *family,
			   const struct metrics *gateway, int64_t now_ms)
{
	(void)now_ms;
	for (int code = 0; code < PROBLEM_MAX_; code++) {
		const char *word = problem_word((enum problem_code)code);

		sample(out, family->name, "", gateway);
		buffer_printf(out, ",%s=\"%s\"", family->label, word);
		number(out, value_of(gateway, family->counter, word));
	}
}

/* --- how long it took ------------------------------------------------------------ */

static void write_starts(struct buffer *out, const struct family *family,
			 const struct metrics *gateway, int64_t now_ms)
{
	char label[24];
	int64_t count = 0;

	(void)now_ms;
	for (size_t i = 0; i < store_start_bounds_len; i++) {
		int bound = store_start_bounds_ms[i];

		(void)snprintf(label, sizeof(label), "%d", bound);
		count += value_of(gateway, "start_le", label);
		sample(out, family->name, "_bucket", gateway);
		buffer_printf(out, ",le=\"%d.%03d\"", bound / 1000,
			      bound % 1000);
		number(out, count);
	}
	count += value_of(gateway, "start_le", "inf");
	sample(out, family->name, "_bucket", gateway);
	buffer_puts(out, ",le=\"+Inf\"");
	number(out, count);
	sample(out, family->name, "_sum", gateway);
	seconds(out, value_of(gateway, family->counter, ""));
	sample(out, family->name, "_count", gateway);
	number(out, count);
}

/* counter: of the sum; cases: the name and label of how many it is of. */
static void write_summary(struct buffer *out, const struct family *family,
			  const struct metrics *gateway, int64_t now_ms)
{
	(void)now_ms;
	sample(out, family->name, "_sum", gateway);
	seconds(out, value_of(gateway, family->counter, ""));
	sample(out, family->name, "_count", gateway);
	number(out, value_of(gateway, family->cases[0], family->cases[1]));
}

static const char *const restores_ok[] = { "restores", "ok" };
static const char *const backups_ok[] = { "backups", "ok" };

/* --- gauges ------------------------------------------------------------------------ */

static void write_state(struct buffer *out, const struct family *family,
			const struct metrics *gateway, int64_t now_ms)
{
	(void)now_ms;
	for (int state = 0; state < STATE_MAX_; state++) {
		sample(out, family->name, "", gateway);
		buffer_printf(out, ",state=\"%s\"", gateway_state_names[state]);
		number(out, (int)gateway->row.state == state);
	}
}

static void write_generation(struct buffer *out, const struct family *family,
			     const struct metrics *gateway, int64_t now_ms)
{
	(void)now_ms;
	sample(out, family->name, "", gateway);
	number(out, gateway->row.generation);
}

static void write_failures(struct buffer *out, const struct family *family,
			   const struct metrics *gateway, int64_t now_ms)
{
	(void)now_ms;
	sample(out, family->name, "", gateway);
	number(out, gateway->row.failures);
}

static void write_waiting(struct buffer *out, const struct family *family,
			  const struct metrics *gateway, int64_t now_ms)
{
	(void)now_ms;
	sample(out, family->name, "", gateway);
	number(out, gateway->waiting);
}

static void write_age(struct buffer *out, const struct family *family,
		      const struct metrics *gateway, int64_t now_ms)
{
	int64_t age_ms = now_ms - gateway->snapshot_ms;

	if (gateway->snapshot_ms == 0)
		return;
	sample(out, family->name, "", gateway);
	seconds(out, age_ms > 0 ? age_ms : 0);
}

static void write_size(struct buffer *out, const struct family *family,
		       const struct metrics *gateway, int64_t now_ms)
{
	(void)now_ms;
	if (gateway->snapshot_ms == 0)
		return;
	sample(out, family->name, "", gateway);
	number(out, gateway->snapshot_bytes);
}

static const struct family families[] = {
	{ "wakegate_gateway_state", "gauge",
	  "1 for the state that the gateway is in.", write_state, NULL, NULL,
	  NULL },
	{ "wakegate_gateway_generation", "gauge",
	  "Number of the newest generation; each start takes the next.",
	  write_generation, NULL, NULL, NULL },
	{ "wakegate_gateway_failures", "gauge", "Starts that failed in a row.",
	  write_failures, NULL, NULL, NULL },
	{ "wakegate_requests_waiting", "gauge",
	  "Requests that wait for the gateway now.", write_waiting, NULL, NULL,
	  NULL },
	{ "wakegate_requests_total", "counter",
	  "Requests for the gateway by the class of their answer's status; "
	  "gone: nobody got an answer, or it broke off.",
	  write_counter, "requests", "code", request_codes },
	{ "wakegate_refusals_total", "counter",
	  "Answers of wakegate's own that refuse, by their problem's code.",
	  write_refusals, "refusals", "problem", NULL },
	{ "wakegate_retries_total", "counter",
	  "Requests that saw the gateway crash, by what became of them.",
	  write_counter, "retries", "outcome", retry_outcomes },
	{ "wakegate_starts_total", "counter",
	  "Starts of the gateway by what became of them.", write_counter,
	  "starts", "outcome", start_outcomes },
	{ "wakegate_start_seconds", "histogram",
	  "Time from a start to readiness.", write_starts, "start_ms", NULL,
	  NULL },
	{ "wakegate_crashes_total", "counter",
	  "Times that a gateway that had been ready ended by itself.",
	  write_counter, "crashes", NULL, NULL },
	{ "wakegate_restores_total", "counter",
	  "Restores of a snapshot by outcome.", write_counter, "restores",
	  "outcome", retry_outcomes },
	{ "wakegate_restore_seconds", "summary",
	  "Time that restores took that succeeded.", write_summary,
	  "restore_ms", NULL, restores_ok },
	{ "wakegate_restore_bytes_total", "counter",
	  "Bytes put back by restores.", write_counter, "restore_bytes", NULL,
	  NULL },
	{ "wakegate_backups_total", "counter", "Snapshots taken by outcome.",
	  write_counter, "backups", "outcome", retry_outcomes },
	{ "wakegate_backup_seconds", "summary",
	  "Time that snapshots took that succeeded.", write_summary,
	  "backup_ms", NULL, backups_ok },
	{ "wakegate_backup_bytes_total", "counter",
	  "Bytes of the archives of snapshots taken.", write_counter,
	  "backup_bytes", NULL, NULL },
	{ "wakegate_snapshot_age_seconds", "gauge",
	  "Age of the newest complete snapshot.", write_age, NULL, NULL, NULL },
	{ "wakegate_snapshot_bytes", "gauge",
	  "Size of the newest complete snapshot's archive.", write_size, NULL,
	  NULL, NULL },
};

static void write_head(struct buffer *out, const struct family *family)
{
	buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", family->name,
		      family->help, family->name, family->type);
}

void metrics_render(struct buffer *out, const struct metrics *all, size_t len,
		    int64_t now_ms)
{
	static const struct family build = {
		.name = "wakegate_build_info",
		.type = "gauge",
		.help = "Always 1; the version of wakegate.",
	};

	write_head(out, &build);
	buffer_puts(out,
		    "wakegate_build_info{version=\"" PACKAGE_VERSION "\"} 1\n");
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		write_head(out, &families[i]);
		for (size_t j = 0; j < len; j++)
			families[i].write(out, &families[i], &all[j], now_ms);
	}
}

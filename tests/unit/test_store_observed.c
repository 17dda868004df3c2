/* The store's counters, and what it keeps of single requests. */
#include "config.h"

#include "store/observed.h"
#include "store/schema.h"
#include "unit/store_world.h"

#include "base/banned.h"

static int64_t sought;

static void look(const struct count *count, void *user)
{
	const char *wanted = user;
	size_t len = strlen(count->name);

	if (strncmp(wanted, count->name, len) == 0 && wanted[len] == '/' &&
	    strcmp(wanted + len + 1, count->label) == 0)
		sought = count->amount;
}

/* "name/label"; -1: it is not there. */
static int64_t counted(struct store *store, const char *name_and_label)
{
	char wanted[64];
	struct err err;

	sought = -1;
	(void)snprintf(wanted, sizeof(wanted), "%s", name_and_label);
	if (store_counters(store, NAME, look, wanted, &err))
		printf("# %s\n", err.text);
	return sought;
}

static void test_counts(struct store *store)
{
	const struct count two[] = { { NAME, "requests", "2xx", 5 },
				     { NAME, "crashes", "", 1 } };
	const struct count bad[] = { { NAME, "requests", "2xx", 100 },
				     { NAME, "", "", 1 } };
	const struct count other = { "other", "requests", "2xx", 7 };
	struct err err;

	ok(counted(store, "requests/2xx") == -1, "nothing is counted yet");
	ok(store_count(store, two, 2, &err) == 0 &&
		   store_count(store, two, 2, &err) == 0 &&
		   store_count(store, &other, 1, &err) == 0,
	   "counts are taken");
	ok(counted(store, "requests/2xx") == 10 &&
		   counted(store, "crashes/") == 2,
	   "and added up, with a label and without, each gateway's own");
	ok(store_count(store, bad, 2, &err) != 0 && err.code == ERR_INVALID &&
		   counted(store, "requests/2xx") == 10,
	   "all of them are added, or none");
}

static void add_event(struct store *store, const char *kind, const char *detail)
{
	struct event event = { .gateway = NAME,
			       .generation = 3,
			       .at_ms = 5000,
			       .detail = detail };
	struct err err;

	(void)snprintf(event.kind, sizeof(event.kind), "%s", kind);
	if (store_event(store, &event, &err))
		printf("# %s\n", err.text);
}

static void test_events_count(struct store *store)
{
	add_event(store, "backup_done",
		  "{\"snapshot\":1,\"bytes\":1000,\"took_ms\":20}");
	add_event(store, "backup_done",
		  "{\"snapshot\":2,\"bytes\":500,\"took_ms\":10}");
	add_event(store, "backup_failed", NULL);
	ok(counted(store, "backups/ok") == 2 &&
		   counted(store, "backups/failed") == 1 &&
		   counted(store, "backup_bytes/") == 1500 &&
		   counted(store, "backup_ms/") == 30,
	   "snapshots are counted with their events");
	add_event(store, "restore_failed", "{\"state\":\"bad\"}");
	ok(counted(store, "restores/failed") == -1,
	   "one that was passed over is no restore that failed");
	add_event(store, "restore_failed", "{\"reason\":\"failed\"}");
	ok(counted(store, "restores/failed") == 1, "one that failed is");
}

static void test_starts(struct store *store)
{
	static const int64_t times[] = { 0, 100, 101, 4000, 999999 };
	struct err err;

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		if (store_start_time_add(store, NAME, 1, times[i], &err))
			printf("# %s\n", err.text);
	ok(counted(store, "starts/ready") == 5, "starts are counted");
	ok(counted(store, "start_le/100") == 2 &&
		   counted(store, "start_le/250") == 1 &&
		   counted(store, "start_le/5000") == 1 &&
		   counted(store, "start_le/inf") == 1,
	   "each under the first bound that it does not pass");
	ok(counted(store, "start_ms/") == 1004200, "and their time is summed");
}

static void test_requests(struct store *store)
{
	const struct request_row rows[] = {
		{ .request = "first",
		  .gateway = NAME,
		  .at_ms = 4000,
		  .took_ms = 3000,
		  .found = "starting",
		  .found_generation = 2,
		  .waited_ms = 2900,
		  .generation = 3,
		  .crashed_generation = 2,
		  .retried = true,
		  .status = 200,
		  .code = "" },
		{ .request = "second", .at_ms = 1, .code = "not_found" },
	};
	struct request_row row = { .status = 0 };
	struct err err;

	ok(store_requests_add(store, rows, 2, &err) == 0, "requests are kept");
	ok(store_request(store, "first", &row, &err) == 0 &&
		   strcmp(row.gateway, NAME) == 0 && row.at_ms == 4000 &&
		   row.took_ms == 3000 && strcmp(row.found, "starting") == 0 &&
		   row.found_generation == 2 && row.waited_ms == 2900 &&
		   row.generation == 3 && row.crashed_generation == 2 &&
		   row.retried && row.status == 200 && row.code[0] == '\0',
	   "with all that they met");
	ok(store_request(store, "second", &row, &err) == 0 &&
		   row.gateway[0] == '\0' && row.found[0] == '\0' &&
		   !row.retried && row.status == 0 &&
		   strcmp(row.code, "not_found") == 0,
	   "also one that met next to nothing");
	ok(store_request(store, "third", &row, &err) != 0 &&
		   err.code == ERR_MISSING,
	   "one that is not known is missing");
}

static void count_events(const struct event *event, void *user)
{
	int *count = user;

	*count += event->detail != NULL;
}

static void test_about(struct store *store)
{
	struct event_about about = { .request = "first",
				     .gateway = NAME,
				     .from_ms = 4000,
				     .until_ms = 7000 };
	int count = 0;
	struct err err;

	ok(store_events_about(store, &about, count_events, &count, &err) == 0 &&
		   count == 4,
	   "events of that time are found: %d", count);
	count = 0;
	about.until_ms = 4500;
	ok(store_events_about(store, &about, count_events, &count, &err) == 0 &&
		   count == 0,
	   "those of another time are not");
	add_event(store, "failed", "{\"reason\":\"exit_code\"}");
	about.generation = 3;
	about.from_ms = 6000;
	ok(store_events_about(store, &about, count_events, &count, &err) == 0 &&
		   count == 1,
	   "but how its generation had ended before is");
}

static int last_detail(const struct event *event, void *user)
{
	(void)snprintf(user, 256, "%s", event->detail ? event->detail : "");
	return 0;
}

static const char *kept(struct store *store, const char *detail)
{
	static char text[256];
	struct err err;

	add_event(store, "config", detail);
	(void)store_events(store, NAME, 0, 1, last_detail, text, &err);
	return text;
}

static void test_redaction(struct store *store)
{
	const char *same = "{\"n\":1,\"text\":\"all is well\"}";

	ok(strcmp(kept(store, same), same) == 0, "a detail stays as it is");
	ok(strcmp(kept(store, "{\"text\":\"a token=hush-hush b\",\"n\":1}"),
		  "{\"text\":\"a token=[redacted] b\",\"n\":1}") == 0,
	   "but for secrets, and it stays JSON: %s",
	   kept(store, "{\"text\":\"a token=hush-hush b\",\"n\":1}"));
	ok(!strstr(kept(store, "{\"token\":\"hush-hush\",\"n\":1}"), "hush") &&
		   strstr(kept(store, "{\"token\":\"hush-hush\",\"n\":1}"),
			  "[redacted]"),
	   "a member that is one by its name is gone");
}

/* A database as wakegate made it before there was schema/003. */
static void make_old(const struct world *world)
{
	char path[128];
	sqlite3 *db = NULL;

	if (mkdir(world->dir, 0700) != 0)
		abort();
	world_path(world, "wakegate.db", path, sizeof(path));
	if (sqlite3_open(path, &db) != SQLITE_OK ||
	    sqlite3_exec(db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL) ||
	    sqlite3_exec(db, schema_migrations[0], NULL, NULL, NULL) ||
	    sqlite3_exec(db, schema_migrations[1], NULL, NULL, NULL) ||
	    sqlite3_exec(db,
			 "INSERT INTO gateway (name, generation)"
			 " VALUES ('" NAME "', 41);"
			 "INSERT INTO event (at_ms, gateway, generation, kind)"
			 " VALUES (1, '" NAME "', 41, 'ready')",
			 NULL, NULL, NULL))
		abort();
	(void)sqlite3_close(db);
}

static void test_upgrade(const struct world *world)
{
	const struct count count = { NAME, "requests", "2xx", 5 };
	struct store *store = NULL;
	struct gateway_row row;
	char detail[256] = "none";
	struct err err = { .text = "" };

	make_old(world);
	memset(&row, 0, sizeof(row));
	ok(store_open(&store, world->dir, &err) == 0 &&
		   store_read(store, NAME, &row, &err) == 0 &&
		   row.generation == 41 &&
		   store_events(store, NAME, 0, 0, last_detail, detail, &err) ==
			   0 &&
		   detail[0] == '\0',
	   "an older database is brought up to date with all that it has: %s",
	   err.text);
	ok(store && store_count(store, &count, 1, &err) == 0 &&
		   counted(store, "requests/2xx") == 5,
	   "and counts from then on");
	store_close(store);
}

int main(void)
{
	struct world world;
	struct store *store = NULL;
	struct err err;

	world_make(&world);
	if (ok(store_open(&store, world.dir, &err) == 0, "a store")) {
		test_counts(store);
		test_events_count(store);
		test_starts(store);
		test_requests(store);
		test_about(store);
		test_redaction(store);
	}
	store_close(store);
	world_remove(&world);
	world_make(&world);
	test_upgrade(&world);
	world_remove(&world);
	return done_testing();
}

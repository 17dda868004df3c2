/* The store's calls, one process: what each changes, and what it refuses. */
#include "config.h"

#include <sqlite3.h>

#include "unit/store_world.h"

#include "base/banned.h"

static struct gateway_row get(struct store *store)
{
	struct gateway_row row;
	struct err err;

	memset(&row, 0, sizeof(row));
	if (store_read(store, NAME, &row, &err)) {
		printf("# %s\n", err.text);
		row.generation = -1;
	}
	return row;
}

static bool same_process(struct process_id a, struct process_id b)
{
	return a.pid == b.pid && a.start == b.start;
}

static bool same_words(const struct gateway_row *a, const struct gateway_row *b)
{
	return strcmp(a->name, b->name) == 0 &&
	       strcmp(a->reason, b->reason) == 0 &&
	       strcmp(a->owner_boot, b->owner_boot) == 0 &&
	       strcmp(a->address, b->address) == 0 &&
	       strcmp(a->detail, b->detail) == 0 &&
	       strcmp(a->output_tail, b->output_tail) == 0;
}

static bool same_times(const struct gateway_row *a, const struct gateway_row *b)
{
	return a->heartbeat_ms == b->heartbeat_ms &&
	       a->started_ms == b->started_ms && a->ready_ms == b->ready_ms &&
	       a->stopped_ms == b->stopped_ms &&
	       a->last_request_ms == b->last_request_ms &&
	       a->answered_ms == b->answered_ms &&
	       a->retry_at_ms == b->retry_at_ms;
}

static bool same(const struct gateway_row *a, const struct gateway_row *b)
{
	return same_words(a, b) && same_times(a, b) && a->state == b->state &&
	       a->generation == b->generation &&
	       same_process(a->owner, b->owner) &&
	       same_process(a->process, b->process) &&
	       a->adopted == b->adopted && a->want == b->want &&
	       a->hold == b->hold && a->restore_wanted == b->restore_wanted &&
	       a->snapshot == b->snapshot && a->exit_code == b->exit_code &&
	       a->exit_signal == b->exit_signal && a->failures == b->failures;
}

static int64_t claim(struct store *store, int64_t generation, enum want want)
{
	struct err err;
	int64_t next = -1;

	if (store_claim(store, NAME, generation, want, ADDRESS, "abc123", &next,
			&err))
		return err.code == ERR_BUSY ? -2 : -1;
	return next;
}

static int put(struct store *store, const struct gateway_row *row,
	       enum err_code *code)
{
	struct err err = { .code = ERR_MAX_ };
	int result = store_write(store, row, NULL, &err);

	*code = err.code;
	return result;
}

static int put_state(struct store *store, enum gateway_state state,
		     const char *reason)
{
	struct gateway_row row = get(store);
	enum err_code code;

	row.state = state;
	(void)snprintf(row.reason, sizeof(row.reason), "%s", reason);
	row.retry_at_ms = state == STATE_COOLDOWN ? 99 : 0;
	row.failures = 3;
	return put(store, &row, &code);
}

static void test_open(struct store *store, const struct world *world)
{
	struct gateway_row row = get(store);
	struct stat status;
	struct store *second;
	char path[128];

	ok(row.state == STATE_STOPPED && row.generation == 0 &&
		   strcmp(row.name, NAME) == 0 &&
		   row.exit_code == EXIT_CODE_NONE,
	   "a gateway without a row is stopped, generation 0");
	ok(stat(world->dir, &status) == 0 && (status.st_mode & 07777) == 0700,
	   "the folder is made with mode 0700");
	world_path(world, "wakegate.db", path, sizeof(path));
	ok(stat(path, &status) == 0 && (status.st_mode & 07777) == 0600,
	   "the database has mode 0600");
	world_path(world, "wakegate.id", path, sizeof(path));
	ok(stat(path, &status) == 0 && (status.st_mode & 07777) == 0600,
	   "the id has mode 0600");
	second = open_store(world);
	ok(second && strlen(store_id(store)) == 16 &&
		   strcmp(store_id(second), store_id(store)) == 0,
	   "all who open it get the same id of 16 digits");
	store_close(second);
	store_close(NULL);
}

static void test_claim(struct store *store)
{
	struct gateway_row row;
	enum err_code code;

	ok(claim(store, 0, WANT_RUN) == 1, "the first claim is generation 1");
	row = get(store);
	ok(row.state == STATE_STARTING && row.generation == 1 &&
		   row.want == WANT_RUN && row.started_ms > 0 &&
		   strcmp(row.address, ADDRESS) == 0,
	   "a claimed gateway is starting");
	ok(claim(store, 0, WANT_RUN) == -2, "an old generation claims nothing");
	ok(claim(store, 7, WANT_RUN) == -2, "nor one that never was");
	row.state = STATE_READY;
	row.process =
		(struct process_id){ .pid = 77, .start = 123456789012ULL };
	row.owner = (struct process_id){ .pid = 76, .start = 5 };
	row.ready_ms = 5;
	row.exit_signal = 9;
	row.stopped_ms = 4;
	row.failures = 2;
	row.adopted = true;
	(void)snprintf(row.reason, sizeof(row.reason), "word");
	(void)snprintf(row.detail, sizeof(row.detail), "a sentence");
	(void)snprintf(row.owner_boot, sizeof(row.owner_boot), "boot");
	memset(row.output_tail, 'x', OUTPUT_TAIL_BYTES);
	ok(put(store, &row, &code) == 0, "the keeper writes its row");
	{
		struct gateway_row again = get(store);

		ok(same(&again, &row), "what is written is what is read");
	}
	ok(claim(store, 1, WANT_RESTART) == 2, "the next claim is 2");
	row = get(store);
	ok(row.process.pid == 77 && row.process.start == 123456789012ULL,
	   "a claim keeps the last process known");
	ok(!row.reason[0] && !row.detail[0] && !row.output_tail[0] &&
		   row.owner.pid == 0 && row.ready_ms == 0 &&
		   row.exit_signal == 0 && row.want == WANT_RESTART &&
		   row.failures == 2,
	   "and clears what was of the generation before");
}

static void test_fencing(struct store *store)
{
	struct gateway_row row = get(store);
	struct event event = { .gateway = NAME, .kind = "nonsense" };
	struct err err = { .code = ERR_MAX_ };
	enum err_code code;

	row.generation--;
	row.state = STATE_FAILED;
	(void)snprintf(row.reason, sizeof(row.reason), "stale");
	ok(put(store, &row, &code) != 0 && code == ERR_BUSY,
	   "a write of an old generation is refused");
	ok(store_touch(store, NAME, 1, 5, true, &err) != 0 &&
		   err.code == ERR_BUSY,
	   "so is a touch");
	ok(store_want(store, NAME, 1, WANT_STOP, false, &err) != 0 &&
		   err.code == ERR_BUSY,
	   "so is a wish");
	ok(store_reset(store, NAME, 1, &err) != 0 && err.code == ERR_BUSY,
	   "so is a reset");
	ok(get(store).state == STATE_STARTING, "and nothing has changed");
	row = get(store);
	row.state = STATE_READY;
	ok(store_write(store, &row, &event, &err) != 0 &&
		   err.code == ERR_INVALID &&
		   get(store).state == STATE_STARTING,
	   "a row is not written without its event");
	row.state = STATE_FAILED;
	row.reason[0] = '\0';
	ok(put(store, &row, &code) != 0 && code == ERR_INVALID,
	   "a row that breaks a rule is refused: failed without a reason");
}

static void test_touch(struct store *store)
{
	struct err err;

	ok(store_touch(store, NAME, 2, 1000, false, &err) == 0 &&
		   get(store).last_request_ms == 1000 &&
		   get(store).answered_ms == 0,
	   "a touch says when the last request was");
	(void)store_touch(store, NAME, 2, 2000, true, &err);
	(void)store_touch(store, NAME, 2, 3000, true, &err);
	ok(get(store).last_request_ms == 3000 && get(store).answered_ms == 2000,
	   "answered is the first answer of the generation");
	ok(put_state(store, STATE_READY, "") == 0 &&
		   get(store).answered_ms == 2000,
	   "the keeper's write leaves it alone");
}

static void test_want(struct store *store)
{
	struct gateway_row row;
	struct err err;

	ok(store_want(store, NAME, 2, WANT_STOP, true, &err) == 0,
	   "stop, hold");
	row = get(store);
	ok(row.state == STATE_READY && row.want == WANT_STOP && row.hold,
	   "a running gateway is only asked");
	(void)put_state(store, STATE_STOPPED, "");
	ok(get(store).hold && get(store).want == WANT_STOP,
	   "the keeper's write keeps the wish");
	(void)store_want(store, NAME, 2, WANT_STOP, false, &err);
	ok(get(store).hold, "a plain stop does not end the hold");
	(void)store_want(store, NAME, 2, WANT_STOP, true, &err);
	row = get(store);
	ok(row.state == STATE_FAILED && strcmp(row.reason, "held") == 0,
	   "one that does not run is held at once");
	ok(store_want(store, NAME, 2, WANT_RUN, false, &err) == 0, "start");
	row = get(store);
	ok(row.state == STATE_STOPPED && !row.hold && !row.reason[0] &&
		   row.want == WANT_RUN,
	   "and is stopped when it is not held any more");
	(void)put_state(store, STATE_FAILED, "max_failures");
	(void)store_want(store, NAME, 2, WANT_RUN, false, &err);
	ok(get(store).state == STATE_FAILED,
	   "a wish to run does not mend a failure");
	(void)store_want(store, NAME, 2, WANT_STOP, true, &err);
	ok(claim(store, 2, WANT_RUN) == 3 && !get(store).hold,
	   "a claim that is to run ends the hold");
	ok(store_want(store, "other", 0, WANT_STOP, true, &err) == 0 &&
		   store_read(store, "other", &row, &err) == 0 &&
		   row.state == STATE_FAILED && row.generation == 0,
	   "a gateway without a row can be held");
}

static void test_reset(struct store *store)
{
	struct gateway_row row;
	struct err err;

	(void)put_state(store, STATE_COOLDOWN, "crash_loop");
	ok(get(store).failures == 3 && store_reset(store, NAME, 3, &err) == 0,
	   "reset");
	row = get(store);
	ok(row.state == STATE_STOPPED && row.failures == 0 && !row.reason[0] &&
		   row.retry_at_ms == 0,
	   "cooldown is stopped again, without failures");
	(void)put_state(store, STATE_READY, "");
	ok(store_reset(store, NAME, 3, &err) == 0 &&
		   get(store).state == STATE_READY && get(store).failures == 3,
	   "another state is left as it is");
	ok(store_reset(store, "none", 0, &err) == 0,
	   "a gateway without a row needs none");
}

static void test_rescue(struct store *store)
{
	struct gateway_row row = get(store);
	struct err err;

	ok(store_rescue(store, &row, &err) != 0 && err.code == ERR_BUSY,
	   "a rescued row does not replace its like");
	row.generation = 41;
	row.hold = true;
	row.last_request_ms = 17;
	ok(store_rescue(store, &row, &err) == 0, "it replaces an older one");
	{
		struct gateway_row again = get(store);

		ok(same(&again, &row), "with all columns");
	}
	ok(claim(store, 41, WANT_RUN) == 42,
	   "and generations go on from there");
}

struct list {
	int count, stop_at;
	int64_t first, last;
	bool ordered;
	char detail[64];
};

static int collect(const struct event *event, void *user)
{
	struct list *list = user;

	if (list->count++ == 0)
		list->first = event->id;
	else if (event->id <= list->last)
		list->ordered = false;
	list->last = event->id;
	(void)snprintf(list->detail, sizeof(list->detail), "%s",
		       event->detail ? event->detail : "");
	return list->count == list->stop_at ? 7 : 0;
}

static struct list list_events(struct store *store, const char *gateway,
			       int64_t after, int newest)
{
	struct list list = { .ordered = true };
	struct err err;

	if (store_events(store, gateway, after, newest, collect, &list, &err))
		list.count = -1;
	return list;
}

static void test_events(struct store *store)
{
	struct event event = { .at_ms = 5000,
			       .gateway = "chatty",
			       .generation = 9,
			       .kind = "exited",
			       .pid = 3,
			       .request = "0123456789abcdef0123456789abcdef",
			       .detail = "{\"n\":1}" };
	struct list list = { .stop_at = 2 };
	struct err err;
	int exits = -1;
	int failures = 0;

	for (int i = 0; i < 20; i++, event.at_ms++)
		failures += store_event(store, &event, &err) != 0;
	ok(failures == 0, "events are added");
	list = list_events(store, "chatty", 0, 0);
	ok(list.count == 20 && list.ordered &&
		   strcmp(list.detail, "{\"n\":1}") == 0,
	   "all of one gateway's come, oldest first");
	ok(list_events(store, "chatty", list.last - 5, 0).count == 5,
	   "those after an id");
	ok(list_events(store, "chatty", 0, 3).first == list.last - 2,
	   "the newest few");
	ok(list_events(store, NULL, 0, 0).count > 20, "those of all gateways");
	ok(list_events(store, "nobody", 0, 0).count == 0, "or none");
	list = (struct list){ .stop_at = 2 };
	ok(store_events(store, NULL, 0, 0, collect, &list, &err) == 7 &&
		   list.count == 2,
	   "each() can end it");
	ok(store_exits_since(store, "chatty", 5010, &exits, &err) == 0 &&
		   exits == 10,
	   "exits since a time are counted");
	event.detail = "[1]";
	ok(store_event(store, &event, &err) != 0 && err.code == ERR_INVALID,
	   "an event's detail is a JSON object");
	event.detail = "{";
	ok(store_event(store, &event, &err) != 0 && err.code == ERR_INVALID,
	   "and well formed");
}

static void test_trim(struct store *store)
{
	struct event event = { .gateway = "chatty", .kind = "not_ready" };
	struct err err;
	struct list list;

	for (int i = 0; i < EVENTS_KEPT + 10; i++)
		if (store_event(store, &event, &err))
			printf("# %s\n", err.text);
	list = list_events(store, NULL, 0, 0);
	ok(list.count == EVENTS_KEPT &&
		   list.last - list.first == EVENTS_KEPT - 1,
	   "the newest %d events are kept", EVENTS_KEPT);
}

static void test_start_times(struct store *store)
{
	struct err err;
	int64_t usual = -1;

	ok(store_start_time_usual(store, NAME, &usual, &err) == 0 && usual == 0,
	   "no start time is known at first");
	(void)store_start_time_add(store, NAME, 1, 400, &err);
	(void)store_start_time_add(store, NAME, 2, 100, &err);
	(void)store_start_time_usual(store, NAME, &usual, &err);
	ok(usual == 250, "of two the middle");
	for (int i = 1; i <= 9; i++)
		(void)store_start_time_add(store, NAME, i, i * 1000L, &err);
	(void)store_start_time_usual(store, NAME, &usual, &err);
	ok(usual == 4500, "the median of the newest ten");
	for (int i = 0; i < 300; i++)
		(void)store_start_time_add(store, NAME, i, 7, &err);
	(void)store_start_time_usual(store, NAME, &usual, &err);
	ok(usual == 7, "old ones do not count");
}

static int print_row(void *user, int columns, char **values, char **names)
{
	char *line = user;
	size_t used = strlen(line);

	(void)names;
	for (int i = 0; i < columns && used < 500; i++)
		used += (size_t)snprintf(line + used, 512 - used, "%s|",
					 values[i] ? values[i] : "");
	return 0;
}

static void test_view(struct store *store, const struct world *world)
{
	struct gateway_row row = get(store);
	char line[512] = "";
	char path[128];
	sqlite3 *db = NULL;
	enum err_code code;

	row.state = STATE_READY;
	row.ready_ms = 1795505400000;
	row.process = (struct process_id){ .pid = 4711, .start = 1 };
	row.exit_code = 78;
	(void)put(store, &row, &code);
	world_path(world, "wakegate.db", path, sizeof(path));
	if (sqlite3_open(path, &db) == SQLITE_OK)
		(void)sqlite3_exec(
			db, "SELECT * FROM status WHERE name = '" NAME "'",
			print_row, line, NULL);
	(void)sqlite3_close(db);
	printf("# %s\n", line);
	ok(strstr(line, NAME "|ready||42|4711|") &&
		   strstr(line, "|2026-11-24T07:30:00Z|") &&
		   strstr(line, "|exit 78|"),
	   "the view `status` is one readable line a gateway");
}

static int count_row(const struct snapshot_row *row, void *user)
{
	*(int *)user += row->id > 0;
	return 0;
}

static int count_with(struct store *store, const char *path, const char *remote)
{
	struct snapshot_row row = { .gateway = NAME, .created_ms = 5000 };
	struct err err;
	int count = 0;

	(void)snprintf(row.path, sizeof(row.path), "%s", path);
	(void)snprintf(row.remote, sizeof(row.remote), "%s", remote);
	if (store_snapshot_adopt(store, &row, &err))
		return -1;
	(void)store_snapshots(store, NAME, count_row, &count, &err);
	return count;
}

static void test_snapshots(struct store *store)
{
	struct snapshot_row row = { .gateway = NAME, .remote = "one" };
	struct err err;
	int64_t id;

	row.created_ms = 6000;
	ok(count_with(store, "/here/one", "one") == 1 &&
		   count_with(store, "", "one") == 1 &&
		   count_with(store, "/elsewhere/one", "") == 1 &&
		   count_with(store, "/here/two", "") == 2,
	   "a snapshot that is found has one row, wherever it lies");
	ok(store_snapshot_add(store, &row, &id, &err) != 0,
	   "and no two have one key in the bucket");
}

int main(void)
{
	struct world world;
	struct store *store;

	world_make(&world);
	(void)umask(0);
	store = open_store(&world);
	if (ok(store, "a store is made where there is none")) {
		test_open(store, &world);
		test_claim(store);
		test_fencing(store);
		test_touch(store);
		test_want(store);
		test_reset(store);
		test_rescue(store);
		test_events(store);
		test_trim(store);
		test_start_times(store);
		test_snapshots(store);
		test_view(store, &world);
	}
	store_close(store);
	world_remove(&world);
	return done_testing();
}

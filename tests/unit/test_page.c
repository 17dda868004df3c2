#include "config.h"

#include <string.h>

#include "edge/html.h"
#include "edge/outlook.h"
#include "edge/page.h"
#include "edge/page_words.h"
#include "edge/status.h"
#include "unit/tap.h"

#include "base/banned.h"

static bool has(struct buffer *buffer, const char *text)
{
	return strstr(buffer_text(buffer), text) != NULL;
}

static void test_outlook(void)
{
	struct gateway_row row = { .state = STATE_STARTING,
				   .started_ms = 1000 };
	struct outlook outlook = outlook_of(&row, 4000, 2000);

	ok(outlook.eta_ms == 3000 && outlook.retry_after_s == 3 &&
		   outlook.progress > 0.24 && outlook.progress < 0.26,
	   "a start is as long as starts are");
	outlook = outlook_of(&row, 4000, 60000);
	ok(outlook.eta_ms == 0 && outlook.retry_after_s == 1 &&
		   outlook.progress < 1,
	   "one that takes longer is nearly done");
	outlook = outlook_of(&row, 0, 2000);
	ok(outlook.eta_ms < 0 && outlook.progress < 0 &&
		   outlook.retry_after_s > 0,
	   "of the first one nothing is known");
	row.state = STATE_COOLDOWN;
	row.retry_at_ms = 9500;
	ok(outlook_of(&row, 0, 2000).retry_after_s == 8,
	   "a pause ends when it ends");
}

/* now_ms: 0 */
static struct page page_of(struct gateway_row *row, int64_t usual_ms)
{
	return (struct page){
		.gateway = "g",
		.row = row,
		.outlook = outlook_of(row, usual_ms, 0),
		.id = "1",
		.mount = "/m",
		.target = { "/m/a/b?c='\"", 11 },
		.status_path = "/api/status",
		.panel_path = "/_admin",
	};
}

static void test_failed_page(void)
{
	struct buffer out = BUFFER_INIT(65536);
	struct gateway_row row = { .state = STATE_FAILED,
				   .reason = "exit_code",
				   .detail = "with <i>12</i>" };
	struct page page = page_of(&row, 5000);

	page_render(&out, &page);
	ok(has(&out, "Status: 503 ") && has(&out, "exit_code") &&
		   !has(&out, "12</i>") && !has(&out, "http-equiv") &&
		   !has(&out, "<progress"),
	   "a failed gateway's page says why, and stays");
	ok(has(&out, "tell the operator") && has(&out, "wakegate reset") &&
		   !has(&out, "_admin"),
	   "what to do: for visitors, for the operator");
	buffer_clear(&out);
	page.output = "one\n<b>boom</b>";
	page.admin = true;
	page_render(&out, &page);
	ok(has(&out, "<a href=\"/m/_admin/\">") &&
		   has(&out, "<code>&lt;b&gt;boom") && !has(&out, "<b>") &&
		   has(&out, "&lt;i&gt;12"),
	   "its last words are shown where they may be, escaped");
	ok(!has(&out, "tell the operator"),
	   "who is told so is not the operator");
	buffer_free(&out);
}

static void test_waiting_page(void)
{
	struct buffer out = BUFFER_INIT(65536);
	struct gateway_row row = { .state = STATE_STARTING,
				   .started_ms = -3000 };
	struct page page = page_of(&row, 0);

	page_render(&out, &page);
	ok(has(&out, "Status: 503 ") && has(&out, "Retry-After: ") &&
		   has(&out, "no-store") &&
		   has(&out, ";url=./b?c=&#39;&quot;\"></noscript>") &&
		   has(&out, "data-status=\"/m/api/status?page=1\""),
	   "a start's page asks again for its place, in relation to itself");
	buffer_clear(&out);
	row = (struct gateway_row){ .state = STATE_RESTORING,
				    .started_ms = 1,
				    .progress_bytes = 50300000,
				    .progress_total = 201200000 };
	page = page_of(&row, 5000);
	page_render(&out, &page);
	ok(has(&out, "50.3 of 201.2 MB are back, 0 s so far") &&
		   has(&out, "value=\"0.250\""),
	   "a restore says how much of it is back");
	buffer_clear(&out);
	row = (struct gateway_row){ .state = STATE_COOLDOWN,
				    .reason = "crash_loop",
				    .retry_at_ms = 7500 };
	page = page_of(&row, 5000);
	page_render(&out, &page);
	ok(has(&out, "at <time datetime=\"1970-01-01T00:00:07.500Z\">"
		     "00:00:07 UTC</time>, in 8 s.") &&
		   !has(&out, "<progress") && has(&out, "http-equiv"),
	   "a pause says until when");
	buffer_free(&out);
}

/* Whatever the gateway says and whoever asks. */
static void test_page_size(void)
{
	struct buffer out = BUFFER_INIT(65536);
	struct gateway_row row = { .state = STATE_FAILED,
				   .reason = "start_timeout" };
	char text[4096], target[4096];
	struct page page = page_of(&row, 0);
	bool small = true;

	memset(text, '<', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	memset(target, '&', sizeof(target));
	target[0] = '/';
	memset(row.detail, '\'', sizeof(row.detail) - 1);
	page.output = text;
	page.target = (struct slice){ target, sizeof(target) };
	for (int state = 0; state < STATE_MAX_; state++) {
		row.state = (enum gateway_state)state;
		buffer_clear(&out);
		page_render(&out, &page);
		small = small && has(&out, "</html>") && out.len < 12288;
	}
	ok(small, "each state's page is whole and small");
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "first\nsecond\n", 13);
	buffer_clear(&out);
	page_render(&out, &page);
	ok(!has(&out, "second") && has(&out, "</html>") && out.len < 12288,
	   "of a long line its end is shown");
	buffer_free(&out);
}

static void test_reasons(void)
{
	ok(strcmp(page_reason("held")->title, "Switched off") == 0 &&
		   *page_reason("no such reason")->hint,
	   "each reason has its words");
}

static json_t *part_of(json_t *json, const char *id)
{
	return json_object_get(json_object_get(json, "parts"), id);
}

static bool goes(struct gateway_row *row)
{
	struct page page = page_of(row, 0);
	json_t *json = page_json(&page);
	bool go = json_is_true(json_object_get(json, "go"));

	json_decref(json);
	return go;
}

static void test_script_parts(void)
{
	struct gateway_row row = { .state = STATE_STARTING };
	struct page page = page_of(&row, 0);
	json_t *json;

	page.output = "\xff<";
	json = page_json(&page);
	ok(strstr(json_string_value(part_of(json, "output")), "?&lt;") &&
		   *json_string_value(part_of(json, "say")) &&
		   strcmp(json_string_value(part_of(json, "title")),
			  "Starting") == 0,
	   "the script gets the same parts, as UTF-8");
	json_decref(json);
	ok(!goes(&row), "it waits for a start");
	row.state = STATE_READY;
	ok(goes(&row), "it goes on to what is ready");
	row.state = STATE_STOPPED;
	ok(goes(&row), "it wakes what has stopped meanwhile");
	row.state = STATE_COOLDOWN;
	row.retry_at_ms = 100;
	ok(!goes(&row), "it waits for the end of a pause");
	row.retry_at_ms = -100;
	ok(goes(&row), "and then wakes it");
	row.state = STATE_FAILED;
	ok(!goes(&row), "it leaves what has failed alone");
}

static void test_status(void)
{
	struct buffer out = BUFFER_INIT(65536);
	struct gateway_row row = { .state = STATE_STARTING };
	struct status status = { .gateway = "g", .row = &row, .id = "1" };

	status.outlook = outlook_of(&row, 0, 0);
	status_render(&out, &status);
	ok(has(&out, "Status: 503 ") && has(&out, "\"ok\":false") &&
		   has(&out, "\"status\":\"starting\"") &&
		   has(&out, "\"eta_s\":null") && !has(&out, "\"page\""),
	   "the status says what it is");
	buffer_clear(&out);
	status.page = json_object();
	status_render(&out, &status);
	ok(has(&out, "Status: 200 ") && has(&out, "\"ok\":false") &&
		   has(&out, "\"page\":{}"),
	   "a script's is no error in a browser's console");
	json_decref(status.page);
	buffer_free(&out);
}

static void test_nonce(void)
{
	struct html a = { .title = "a" }, b = { .title = "b" };

	html_nonce(&a);
	html_nonce(&b);
	ok(strlen(a.nonce) == HTML_NONCE_BYTES - 1 &&
		   memcmp(a.nonce, b.nonce, 16) != 0 &&
		   strcmp(a.nonce + 16, b.nonce + 16) != 0,
	   "each answer has a nonce of its own, in both halves");
}

int main(void)
{
	test_outlook();
	test_failed_page();
	test_waiting_page();
	test_page_size();
	test_reasons();
	test_script_parts();
	test_status();
	test_nonce();
	return done_testing();
}

#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/redact.h"
#include "snapshot/remote_private.h"

#include "base/banned.h"

#define CODE_BYTES 65

/* The store's own word for it: <Code> of its XML. Letters, digits and '.' only, so
 * that it is fit for a line of ours; "" when there is none. */
static void read_code(char ret[CODE_BYTES],
		      const struct remote_outcome *outcome)
{
	static const char open[] = "<Code>";
	const char *end = outcome->content + outcome->content_len;
	const char *at =
		outcome->content_len == 0
			? NULL
			: memmem(outcome->content, outcome->content_len, open,
				 sizeof(open) - 1);
	size_t len = 0;

	ret[0] = '\0';
	if (!at)
		return;
	for (at += sizeof(open) - 1; at < end && *at != '<'; at++) {
		bool fit = (*at >= 'a' && *at <= 'z') ||
			   (*at >= 'A' && *at <= 'Z') ||
			   (*at >= '0' && *at <= '9') || *at == '.';

		if (!fit || len + 1 == CODE_BYTES)
			return;
		ret[len++] = *at;
	}
	ret[len] = '\0';
}

struct verdict {
	enum err_code code;
	bool again;
	const char *hint; /* what a person should look at, or "" */
};

static bool one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return false;
}

static struct verdict judge_status(long status, const char *code)
{
	/* S3 says 400 and 409 for some failures that pass */
	static const char *const passing[] = { "RequestTimeout",
					       "OperationAborted",
					       "ConditionalRequestConflict",
					       NULL };

	if (status >= 300 && status < 400)
		return (struct verdict){
			.code = ERR_INVALID,
			.hint = " (a redirect is not followed: look at "
				"endpoint and region)"
		};
	if (status == 404 && strcmp(code, "NoSuchKey") == 0)
		return (struct verdict){ .code = ERR_MISSING, .hint = "" };
	if (status == 412 || status == 416)
		return (struct verdict){
			.code = ERR_CORRUPT,
			.hint = " (it changed while it was read)"
		};
	if (status == 408 || status == 429 || one_of(code, passing) ||
	    (status >= 500 && status != 501 && status != 505))
		return (struct verdict){ .code = ERR_CLOSED,
					 .again = true,
					 .hint = "" };
	return (struct verdict){ .code = ERR_INVALID, .hint = "" };
}

static bool by_status(const struct remote *remote,
		      const struct remote_call *call,
		      const struct remote_outcome *outcome, struct err *err)
{
	char *const secrets[] = { remote->access_key, remote->secret_key,
				  NULL };
	struct verdict verdict;
	char code[CODE_BYTES];

	read_code(code, outcome);
	verdict = judge_status(outcome->status, code);
	redact(code, sizeof(code), secrets);
	err_fill(err, verdict.code,
		 "%s of '%.200s': the store answers %ld%s%s%s", call->method,
		 call->name, outcome->status, code[0] ? " " : "", code,
		 verdict.hint);
	return verdict.again;
}

/* No answer, or not the whole of one. */
static struct verdict judge_result(CURLcode result)
{
	/* broken on the way */
	static const CURLcode broken[] = {
		CURLE_COULDNT_CONNECT,	    CURLE_SSL_CONNECT_ERROR,
		CURLE_GOT_NOTHING,	    CURLE_SEND_ERROR,
		CURLE_RECV_ERROR,	    CURLE_PARTIAL_FILE,
		CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY,
		CURLE_SEND_FAIL_REWIND,
	};
	/* there is something to mend */
	static const CURLcode wrong[] = {
		CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE,
		CURLE_SSL_CERTPROBLEM,		CURLE_SSL_CIPHER,
		CURLE_SSL_ISSUER_ERROR,		CURLE_URL_MALFORMAT,
		CURLE_UNSUPPORTED_PROTOCOL,	CURLE_WEIRD_SERVER_REPLY,
		CURLE_BAD_CONTENT_ENCODING,
	};

	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		if (result == broken[i])
			return (struct verdict){ .code = ERR_CLOSED,
						 .again = true };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (result == wrong[i])
			return (struct verdict){ .code = ERR_INVALID };
	return (struct verdict){ .code = result == CURLE_OPERATION_TIMEDOUT
						 ? ERR_TIMEOUT
						 : ERR_SYSTEM };
}

bool remote_failure(const struct remote *remote, const struct remote_call *call,
		    const struct remote_outcome *outcome, struct err *err)
{
	struct verdict verdict;

	/* A store that refuses while we still send may close as well. */
	if (outcome->status >= 300 && (outcome->result == CURLE_OK ||
				       outcome->result == CURLE_SEND_ERROR))
		return by_status(remote, call, outcome, err);
	verdict = judge_result(outcome->result);
	err_fill(err, verdict.code, "%s of '%.200s': %.200s", call->method,
		 call->name,
		 outcome->why[0] ? outcome->why
				 : curl_easy_strerror(outcome->result));
	return verdict.again;
}

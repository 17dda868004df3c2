#include "config.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "edge/request.h"
#include "edge/target.h"

#include "base/banned.h"

/* What a server's environment says beside the header fields. */
struct environment {
	const char *method;
	const char *uri;
	const char *content_length;
	const char *content_type;
	const char *server_name;
	const char *server_port;
	const char *remote_addr;
	const char *remote_user;
	const char *https;
	const char *scheme;
	const char *role;
	const char *fcgi_role;
	const char *apache_role;
	const char *password;
	const char *software;
};

static bool is_clean(const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static void take_variable(struct environment *ret, const char *variable)
{
	const struct {
		const char *name;
		const char **place;
	} known[] = {
		{ "REQUEST_METHOD=", &ret->method },
		{ "REQUEST_URI=", &ret->uri },
		{ "CONTENT_LENGTH=", &ret->content_length },
		{ "CONTENT_TYPE=", &ret->content_type },
		{ "SERVER_NAME=", &ret->server_name },
		{ "SERVER_PORT=", &ret->server_port },
		{ "REMOTE_ADDR=", &ret->remote_addr },
		{ "REMOTE_USER=", &ret->remote_user },
		{ "HTTPS=", &ret->https },
		{ "REQUEST_SCHEME=", &ret->scheme },
		{ "WAKEGATE_ROLE=", &ret->role },
		{ "FCGI_ROLE=", &ret->fcgi_role },
		{ "FCGI_APACHE_ROLE=", &ret->apache_role },
		{ "REMOTE_PASSWD=", &ret->password },
		{ "SERVER_SOFTWARE=", &ret->software },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t len = strlen(known[i].name);

		if (strncmp(variable, known[i].name, len) == 0) {
			if (!*known[i].place) /* the first of a name counts */
				*known[i].place = variable + len;
			return;
		}
	}
}

static int take_field(struct request *ret, const char *variable, size_t *size,
		      struct err *err)
{
	const char *equals = strchr(variable, '=');
	struct request_field *field = &ret->fields[ret->fields_count];

	if (!equals)
		return 0;
	if (ret->fields_count == HEADERS_MAX)
		return err_set(err, ERR_LIMIT, "more than %d header fields",
			       HEADERS_MAX);
	field->name = variable;
	field->name_len = (size_t)(equals - variable);
	field->value.data = equals + 1;
	field->value.len = strlen(equals + 1);
	if (!http_is_token(field->name, field->name_len))
		return err_set(err, ERR_INVALID,
			       "a header field's name is no token");
	if (!is_clean(field->value.data))
		return err_set(err, ERR_INVALID,
			       "a header field has a control character");
	*size += field->name_len + field->value.len + 4;
	ret->fields_count++;
	return 0;
}

static int take_all(struct request *ret, struct environment *environment,
		    char **envp, struct err *err)
{
	size_t size = 0;

	for (; *envp; envp++) {
		if (strncmp(*envp, "HTTP_", 5) != 0)
			take_variable(environment, *envp);
		else if (take_field(ret, *envp + 5, &size, err))
			return -1;
	}
	if (environment->uri)
		size += strlen(environment->uri);
	if (size > HEAD_BYTES_MAX)
		return err_set(err, ERR_LIMIT,
			       "a request head of more than %d bytes",
			       HEAD_BYTES_MAX);
	return 0;
}

const struct request_field *request_field(const struct request *request,
					  const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < request->fields_count; i++) {
		const struct request_field *field = &request->fields[i];

		if (field->name_len == len &&
		    strncasecmp(field->name, name, len) == 0)
			return field;
	}
	return NULL;
}

void request_drop(struct request *request, const char *name)
{
	size_t kept = 0;

	for (size_t i = 0; i < request->fields_count; i++) {
		const struct request_field *field = &request->fields[i];

		if (!request_name_is(field->name, field->name_len, name))
			request->fields[kept++] = *field;
	}
	request->fields_count = kept;
}

bool request_name_is(const char *name, size_t len, const char *text)
{
	for (size_t i = 0; i < len; i++) {
		char a = name[i];
		char b = text[i];

		if (a >= 'a' && a <= 'z')
			a = (char)(a - 'a' + 'A');
		if (b >= 'a' && b <= 'z')
			b = (char)(b - 'a' + 'A');
		if ((a == '-' ? '_' : a) != (b == '-' ? '_' : b))
			return false;
	}
	return text[len] == '\0';
}

static int read_length(struct request *ret, const char *text, struct err *err)
{
	int64_t number = 0;

	ret->content_length = -1;
	if (!text || !*text)
		return 0;
	for (; *text; text++) {
		int digit = *text - '0';

		if (digit < 0 || digit > 9 || number > (INT64_MAX - digit) / 10)
			return err_set(err, ERR_INVALID,
				       "Content-Length is no number");
		number = number * 10 + digit;
	}
	ret->content_length = number;
	return 0;
}

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++) {
		if (strcmp(text, *words) == 0)
			return true;
	}
	return false;
}

static int read_method(struct request *ret, const char *method, struct err *err)
{
	static const char *const idempotent[] = { "GET",   "HEAD", "OPTIONS",
						  "TRACE", "PUT",  "DELETE",
						  NULL };
	const struct request_field *key = request_field(ret, "IDEMPOTENCY_KEY");

	if (!method || !http_is_token(method, strlen(method)))
		return err_set(err, ERR_INVALID, "the method is no token");
	ret->method = method;
	ret->head = strcmp(method, "HEAD") == 0;
	ret->idempotent = is_one_of(method, idempotent);
	ret->repeatable = ret->idempotent || (key && key->value.len > 0);
	return 0;
}

static int set_host(struct request *ret, struct slice host, struct err *err)
{
	if (host.len >= sizeof(ret->host) || !target_host_is_valid(host))
		return err_set(err, ERR_INVALID, "the host is not valid");
	memcpy(ret->host, host.data, host.len);
	ret->host[host.len] = '\0';
	return 0;
}

/* The absolute form's host counts before Host (RFC 9112, 3.2.2), and that before
 * what the server calls itself. */
static int read_host(struct request *ret, const struct target *target,
		     const struct environment *environment, struct err *err)
{
	const struct request_field *field = request_field(ret, "HOST");
	const char *name = environment->server_name;
	const char *port = environment->server_port;
	char text[HOST_BYTES_MAX];
	bool bare;
	int len;

	if (target->authority.len > 0)
		return set_host(ret, target->authority, err);
	if (field && field->value.len > 0)
		return set_host(ret, field->value, err);
	if (!name || !*name)
		name = "localhost";
	bare = strchr(name, ':') && *name != '[';
	if (port && strcmp(port, ret->https ? "443" : "80") == 0)
		port = NULL;
	len = snprintf(text, sizeof(text), "%s%s%s%s%s", bare ? "[" : "", name,
		       bare ? "]" : "", port && *port ? ":" : "",
		       port && *port ? port : "");
	if (len < 0 || (size_t)len >= sizeof(text))
		return err_set(err, ERR_INVALID, "SERVER_NAME is too long");
	return set_host(ret, (struct slice){ text, (size_t)len }, err);
}

static bool has_html(struct slice accept)
{
	while (accept.len >= 9) {
		if (strncasecmp(accept.data, "text/html", 9) == 0)
			return true;
		accept.data++;
		accept.len--;
	}
	return false;
}

/* A browser is not asked to switch to HTTP/2 here: that would take the rest of the
 * connection past whoever looks at requests. */
static struct slice read_upgrade(const struct request *request)
{
	const struct request_field *upgrade = request_field(request, "UPGRADE");
	const struct request_field *connection =
		request_field(request, "CONNECTION");

	if (!upgrade || !connection || request->transfer_coded ||
	    !http_has_token(connection->value, "upgrade") ||
	    http_has_token(upgrade->value, "h2c"))
		return (struct slice){ 0 };
	return upgrade->value;
}

/* mod_fcgid hides Upgrade; an extended CONNECT (RFC 8441) has none. */
static bool is_websocket(const struct request *request)
{
	const struct request_field *upgrade = request_field(request, "UPGRADE");

	return (upgrade && http_has_token(upgrade->value, "websocket")) ||
	       request_field(request, "SEC_WEBSOCKET_KEY") ||
	       request_field(request, "SEC_WEBSOCKET_VERSION") ||
	       (request->method && strcmp(request->method, "CONNECT") == 0);
}

static enum request_role read_role(const struct environment *environment)
{
	const char *role = environment->role;

	if (!role || !*role)
		return environment->fcgi_role && strcmp(environment->fcgi_role,
							"AUTHORIZER") == 0
			       ? ROLE_AUTHORIZER
			       : ROLE_RESPONDER;
	if (strcmp(role, "responder") == 0)
		return ROLE_RESPONDER;
	if (strcmp(role, "authorizer") == 0)
		return ROLE_AUTHORIZER;
	return strcmp(role, "refusal") == 0 ? ROLE_REFUSAL : ROLE_UNKNOWN;
}

static void read_manner(struct request *ret)
{
	const struct request_field *accept = request_field(ret, "ACCEPT");
	const struct request_field *coded =
		request_field(ret, "TRANSFER_ENCODING");

	ret->wants_html = accept && has_html(accept->value);
	ret->navigation = ret->wants_html && ret->method &&
			  strcmp(ret->method, "GET") == 0 &&
			  !request_field(ret, "UPGRADE") &&
			  !request_field(ret, "SEC_WEBSOCKET_KEY");
	ret->transfer_coded = coded && coded->value.len > 0;
	ret->upgrade = read_upgrade(ret);
	ret->websocket = is_websocket(ret);
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

/* The web server undoes chunked, and leaves a coding before it to whoever takes
 * the body: the gateway would not be told of it. */
static int check_coding(const struct request *request, struct err *err)
{
	const struct request_field *coded =
		request_field(request, "TRANSFER_ENCODING");

	if (coded && http_has_token(coded->value, "chunked") &&
	    !http_slice_is(coded->value, "chunked"))
		return err_set(err, ERR_INVALID,
			       "a Transfer-Encoding of more than chunked");
	return 0;
}

static int read_rest(struct request *ret, const struct environment *environment,
		     struct err *err)
{
	struct target target = { 0 };

	if (!is_clean(or_empty(environment->content_type)) ||
	    !is_clean(ret->remote_addr) || !is_clean(ret->remote_user))
		return err_set(err, ERR_INVALID,
			       "the environment has a control character");
	if (environment->content_type && *environment->content_type)
		ret->content_type = environment->content_type;
	if (read_method(ret, environment->method, err) ||
	    read_length(ret, environment->content_length, err) ||
	    check_coding(ret, err))
		return -1;
	if (!environment->uri || !*environment->uri)
		return err_set(err, ERR_INVALID,
			       "the web server gives no REQUEST_URI");
	if (target_parse(&target, environment->uri, ret->method, err))
		return -1;
	ret->target = target.origin;
	ret->path = target.path;
	return read_host(ret, &target, environment, err);
}

int request_read(struct request *ret, char **envp, struct err *err)
{
	static const char *const mod_fcgid_roles[] = { "ACCESS_CHECKER",
						       "AUTHORIZER", NULL };
	struct environment environment = { 0 };
	bool broken;

	ret->method = "";
	ret->target = (struct slice){ "/", 1 };
	ret->path = ret->target;
	ret->host[0] = '\0';
	ret->fields_count = 0;
	ret->content_length = -1;
	ret->content_type = NULL;
	ret->head = false;
	ret->idempotent = false;
	ret->repeatable = false;
	broken = take_all(ret, &environment, envp, err) != 0;
	ret->remote_addr = or_empty(environment.remote_addr);
	ret->remote_user = or_empty(environment.remote_user);
	ret->server_port = or_empty(environment.server_port);
	ret->half_duplex =
		strncmp(or_empty(environment.software), "lighttpd", 8) != 0;
	ret->role = read_role(&environment);
	/* mod_fcgid's; under mod_authnz_fcgi we are an AUTHENTICATOR */
	ret->bare_verdict =
		is_one_of(or_empty(environment.apache_role), mod_fcgid_roles);
	ret->asks_password = environment.password != NULL;
	ret->https = (environment.https && *environment.https &&
		      strcasecmp(environment.https, "off") != 0) ||
		     (environment.scheme &&
		      strcasecmp(environment.scheme, "https") == 0);
	broken = broken || read_rest(ret, &environment, err) != 0;
	read_manner(ret);
	return broken ? -1 : 0;
}

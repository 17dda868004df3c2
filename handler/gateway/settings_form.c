#include "config.h"

#include <arpa/inet.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

#include "base/http1.h"
#include "base/limits.h"
#include "gateway/settings_form.h"

#include "base/banned.h"

#define LETTERS	     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS	     "0123456789"
#define PATH_LEN_MAX (PATH_MAX - 256) /* room for the names that we append */

/* RFC 3986: unreserved, sub-delims, ":", "@" and the slash itself */
#define URL_PATH LETTERS DIGITS "-._~!$&'()*+,;=:@/"

/* Fields that frame a message or that wakegate writes itself. */
static const char *const own_headers[] = {
	"Connection",	    "Content-Length",
	"Expect",	    "Host",
	"Keep-Alive",	    "Proxy",
	"Proxy-Connection", "TE",
	"Trailer",	    "Transfer-Encoding",
	"Upgrade",	    "Via",
};

static bool is_only(const char *text, const char *allowed)
{
	return *text && text[strspn(text, allowed)] == '\0';
}

static bool has_controls(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	return false;
}

bool form_any(const char *text)
{
	return *text && !has_controls(text);
}

bool form_word(const char *text)
{
	(void)text;
	return true;
}

bool form_gateway_name(const char *text)
{
	return is_only(text, LETTERS DIGITS "._-") &&
	       strspn(text, LETTERS DIGITS) > 0 &&
	       strlen(text) < GATEWAY_NAME_BYTES;
}

bool form_file_path(const char *text)
{
	return *text == '/' && !has_controls(text) &&
	       strlen(text) <= PATH_LEN_MAX;
}

bool form_mount(const char *text)
{
	const char *part;

	if (*text != '/' || !is_only(text, URL_PATH) || strstr(text, "//"))
		return false;
	for (part = strchr(text, '/'); part; part = strchr(part + 1, '/')) {
		size_t len = strcspn(part + 1, "/");

		if ((len == 1 && part[1] == '.') ||
		    (len == 2 && part[1] == '.' && part[2] == '.'))
			return false;
	}
	return true;
}

bool form_url_path(const char *text)
{
	return *text == '/' && is_only(text, URL_PATH "%");
}

bool form_folder_path(const char *text)
{
	return form_url_path(text) && strcmp(text, "/") != 0 &&
	       !strstr(text, "//");
}

bool form_url_target(const char *text)
{
	return *text == '/' && is_only(text, URL_PATH "%?");
}

bool form_host(const char *text)
{
	char inner[INET6_ADDRSTRLEN];
	struct in6_addr address;
	size_t len = strlen(text);

	if (*text != '[')
		return is_only(text, LETTERS DIGITS "-._") && len <= 253;
	if (len < 4 || len > sizeof(inner) || text[len - 1] != ']')
		return false;
	memcpy(inner, text + 1, len - 2);
	inner[len - 2] = '\0';
	return inet_pton(AF_INET6, inner, &address) == 1;
}

/* As a browser writes it (RFC 6454, 6.2): no path, not even a slash. */
bool form_origin(const char *text)
{
	const char *host = strstr(text, "://");
	char name[256];
	size_t len, port;

	if (strcmp(text, "*") == 0 || strcmp(text, "null") == 0)
		return true;
	if (!host || host == text ||
	    strspn(text, LETTERS DIGITS "+-.") != (size_t)(host - text))
		return false;
	host += 3;
	len = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
	if (len > strlen(host) || len >= sizeof(name))
		return false;
	memcpy(name, host, len);
	name[len] = '\0';
	if (!form_host(name))
		return false;
	host += len;
	port = *host == ':' ? strlen(host + 1) : 0;
	return *host == '\0' || (*host == ':' && port > 0 && port <= 5 &&
				 strspn(host + 1, DIGITS) == port);
}

bool form_ip(const char *text)
{
	struct in6_addr address;

	return inet_pton(AF_INET, text, &address) == 1 ||
	       inet_pton(AF_INET6, text, &address) == 1;
}

bool form_process(const char *text)
{
	return form_any(text) && !strchr(text, '/');
}

bool form_variable(const char *text)
{
	return is_only(text, LETTERS DIGITS "_") && strspn(text, DIGITS) == 0 &&
	       strlen(text) < 256 && strcmp(text, "WAKEGATE_INSTANCE") != 0;
}

bool form_header(const char *text)
{
	size_t i;

	if (!http_is_token(text, strlen(text)) || strlen(text) > 256)
		return false;
	for (i = 0; i < sizeof(own_headers) / sizeof(own_headers[0]); i++)
		if (strcasecmp(text, own_headers[i]) == 0)
			return false;
	return true;
}

/* RFC 9110, 5.5: no control characters but the tab, no space at either end. */
bool form_header_value(const char *text)
{
	const char *c;

	for (c = text; *c; c++)
		if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
			return false;
	return c == text || (!strchr(" \t", *text) && !strchr(" \t", c[-1]));
}

/* No part of it is empty, "." or "..". */
static bool has_plain_parts(const char *path)
{
	while (*path) {
		size_t len = strcspn(path, "/");

		if (len == 0 || (len == 1 && *path == '.') ||
		    (len == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		path += len;
		if (*path == '/' && *++path == '\0')
			return false;
	}
	return true;
}

bool form_folder(const char *text)
{
	return form_file_path(text) && text[1] != '\0' &&
	       has_plain_parts(text + 1);
}

bool form_pattern(const char *text)
{
	return form_any(text) && strlen(text) < PATH_MAX &&
	       has_plain_parts(text);
}

bool form_endpoint(const char *text)
{
	const char *host = strncmp(text, "https://", 8) == 0  ? text + 8
			   : strncmp(text, "http://", 7) == 0 ? text + 7
							      : "";
	const char *end = host + strcspn(host, "]");
	size_t host_len;
	char name[256];

	if (*host == '[' && *end == ']')
		host_len = (size_t)(end + 1 - host);
	else
		host_len = strcspn(host, ":");
	if (host_len == 0 || host_len >= sizeof(name))
		return false;
	memcpy(name, host, host_len);
	name[host_len] = '\0';
	host += host_len;
	return form_host(name) &&
	       (*host == '\0' || (*host == ':' && is_only(host + 1, DIGITS) &&
				  strlen(host) <= 6));
}

bool form_bucket(const char *text)
{
	size_t len = strlen(text);

	return is_only(text, "abcdefghijklmnopqrstuvwxyz" DIGITS ".-_") &&
	       len >= 3 && len <= 63;
}

bool form_key_prefix(const char *text)
{
	return *text == '\0' ||
	       (is_only(text, LETTERS DIGITS "/!-_.*'()") && *text != '/' &&
		strlen(text) <= 256 && !strstr(text, "//"));
}

bool form_region(const char *text)
{
	return is_only(text, LETTERS DIGITS "-") && strlen(text) <= 64;
}

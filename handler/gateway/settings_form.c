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

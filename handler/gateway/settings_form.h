/* settings_form.h - does a text of the configuration have the form it must have
 *
 * Pure; none knows where the text came from.
 */
#ifndef WAKEGATE_SETTINGS_FORM_H
#define WAKEGATE_SETTINGS_FORM_H

#include <stdbool.h>

bool form_any(const char *text);  /* not empty, no control characters */
bool form_word(const char *text); /* one of a command's words: all */
bool form_gateway_name(const char *text);
bool form_file_path(const char *text); /* absolute */
bool form_mount(const char *text);    /* a path of a URL without '%' or query */
bool form_url_path(const char *text); /* a path of a URL without query */
bool form_folder_path(const char *text); /* that, but not "/" itself */
bool form_url_target(const char *text);	 /* a path of a URL, query allowed */
bool form_host(const char *text);	 /* a host name or address, no port */
bool form_ip(const char *text);		 /* numeric, IPv4 or IPv6 */
bool form_origin(const char *text);	 /* or "null", or "*" */
bool form_process(const char *text);	 /* a file name */
bool form_variable(const char *text);	 /* of an environment, and not ours */
bool form_header(const char *text); /* a field name that is not ours to set */
bool form_header_value(const char *text);
bool form_folder(const char *text);   /* absolute and plain, not "/" itself */
bool form_pattern(const char *text);  /* of fnmatch(3), relative */
bool form_endpoint(const char *text); /* http(s)://HOST[:PORT] */
bool form_bucket(const char *text);
bool form_key_prefix(const char *text);
bool form_region(const char *text);

#endif

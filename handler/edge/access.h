/* access.h - may this request administer?
 *
 * Who the web server says it is (REMOTE_USER, in admin.users), or the bearer of
 * admin.token_file's token. What changes something must come from a page of the
 * same origin where a browser sends it; a browser always says where it comes from
 * (Sec-Fetch-Site, Origin), so who says nothing is none.
 */
#ifndef WAKEGATE_ACCESS_H
#define WAKEGATE_ACCESS_H

#include <stdbool.h>

#include "base/http1.h"
#include "edge/request.h"

enum access {
	ACCESS_USER,
	ACCESS_TOKEN,
	ACCESS_NOBODY,	    /* it does not say who it is */
	ACCESS_WRONG_TOKEN, /* it bears another token */
	ACCESS_LIMITED,	    /* so have too many from there */
	ACCESS_NO_ADMIN,    /* the user is none of admin.users */
	ACCESS_FOREIGN,	    /* a page from elsewhere sent it */
	ACCESS_MAX_
};

enum bearer { BEARER_NONE, BEARER_RIGHT, BEARER_WRONG, BEARER_LIMITED };

/* Pure. users: NULL at the end, or NULL. */
enum access access_decide(const struct request *request, char *const *users,
			  enum bearer bearer);

bool access_is_admin(const struct request *request, char *const *users);

/* The token of "Authorization: Bearer TOKEN"; false when there is none. */
bool access_bearer(const struct request *request, struct slice *ret);

#endif

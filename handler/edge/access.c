#include "config.h"

#include <string.h>
#include <strings.h>

#include "edge/access.h"
#include "edge/origin.h"

#include "base/banned.h"

#define BEARER "Bearer "

bool access_is_admin(const struct request *request, char *const *users)
{
	for (; users && *users && *request->remote_user; users++) {
		if (strcmp(*users, request->remote_user) == 0)
			return true;
	}
	return false;
}

bool access_bearer(const struct request *request, struct slice *ret)
{
	const struct request_field *field =
		request_field(request, "AUTHORIZATION");
	struct slice value = field ? field->value : (struct slice){ 0 };

	if (value.len < strlen(BEARER) ||
	    strncasecmp(value.data, BEARER, strlen(BEARER)) != 0)
		return false;
	value.data += strlen(BEARER);
	value.len -= strlen(BEARER);
	while (value.len > 0 && *value.data == ' ') {
		value.data++;
		value.len--;
	}
	while (value.len > 0 && value.data[value.len - 1] == ' ')
		value.len--;
	*ret = value;
	return true;
}

static bool changes_nothing(const struct request *request)
{
	return request->head || strcmp(request->method, "GET") == 0;
}

static bool is_foreign(const struct request *request)
{
	const struct request_field *site =
		request_field(request, "SEC_FETCH_SITE");
	const struct request_field *origin = request_field(request, "ORIGIN");

	if (site)
		return !http_slice_is(site->value, "same-origin") &&
		       !http_slice_is(site->value, "none");
	return origin && !origin_is_own(origin->value, request);
}

enum access access_decide(const struct request *request, char *const *users,
			  enum bearer bearer)
{
	bool admin = access_is_admin(request, users);

	if (!admin && bearer == BEARER_LIMITED)
		return ACCESS_LIMITED;
	if (!admin && bearer == BEARER_WRONG)
		return ACCESS_WRONG_TOKEN;
	if (!admin && bearer == BEARER_NONE)
		return *request->remote_user ? ACCESS_NO_ADMIN : ACCESS_NOBODY;
	if (!changes_nothing(request) && is_foreign(request))
		return ACCESS_FOREIGN;
	return admin ? ACCESS_USER : ACCESS_TOKEN;
}

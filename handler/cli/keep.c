#include "config.h"

#include "cli/command.h"
#include "gateway/keeper.h"

#include "base/banned.h"

enum exit_status keep_run(const struct session *session, struct err *err)
{
	struct keeper_options options = {
		.generation = session->options->generation,
		.replace = (session->options->given & OPTION_REPLACE) != 0,
	};

	return keeper_run(session->settings, session->gateway, session->store,
			  &options, err)
		       ? EXIT_FAILED
		       : EXIT_DONE;
}

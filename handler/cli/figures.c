#include "config.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/command.h"
#include "gateway/figures.h"

#include "base/banned.h"

enum exit_status figures_run(const struct session *session, struct err *err)
{
	struct figures figures;

	if (figures_look(&figures, session->gateway, session->store, err))
		return EXIT_FAILED;
	(void)printf(FIGURES_FORMAT, figures.processes, figures.memory_bytes,
		     figures.cpu_ms);
	return EXIT_DONE;
}

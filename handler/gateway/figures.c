#include "config.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "gateway/figures.h"
#include "gateway/process.h"
#include "gateway/program.h"
#include "gateway/spawn.h"

#include "base/banned.h"

#define ASK_TIMEOUT_MS 1500
#define ANSWER_BYTES   256

int figures_look(struct figures *ret, const struct gateway_settings *gateway,
		 struct store *store, struct err *err)
{
	CLEANUP(process_list_free) struct process_list list = { .count = 0 };
	struct gateway_row row;
	struct process_claim claim = {
		.uid = getuid(),
		.name = gateway->process,
	};
	char instance[GATEWAY_NAME_BYTES + 64];

	if (store_read(store, gateway->name, &row, err))
		return -1;
	(void)snprintf(instance, sizeof(instance), "WAKEGATE_INSTANCE=%s/%s/",
		       store_id(store), gateway->name);
	claim.main = row.process;
	claim.keeper = row.owner.pid;
	if (process_look(&list, instance, &gateway->address, err))
		return -1;
	process_mark(&list, &claim);
	*ret = (struct figures){ 0 };
	for (size_t i = 0; i < list.count; i++) {
		if (!list.items[i].ours || list.items[i].zombie)
			continue;
		ret->processes++;
		ret->memory_bytes += (int64_t)list.items[i].memory_bytes;
		ret->cpu_ms += (int64_t)list.items[i].cpu_ms;
	}
	return 0;
}

int figures_ask(struct figures *ret, const struct settings *settings,
		const struct gateway_settings *gateway, struct err *err)
{
	CLEANUP_FREE char **environment = spawn_clean_environment(0);
	static const char *const fixed[] = { "-c", "figures" };
	char own[PATH_MAX], config[PATH_MAX];
	struct program_end end = { .output = BUFFER_INIT(ANSWER_BYTES),
				   .errors = BUFFER_INIT(ANSWER_BYTES) };
	/* execve(2) only reads them */
	char *words[] = { own,
			  (char *)(uintptr_t)fixed[0],
			  config,
			  (char *)(uintptr_t)fixed[1],
			  (char *)(uintptr_t)gateway->name,
			  NULL };
	struct program program = {
		.words = words,
		.environment = environment,
		.directory = "/",
		.timeout_ms = ASK_TIMEOUT_MS,
	};
	struct figures figures = { 0 };
	int result = -1;

	if (!environment)
		return err_errno(err, "cannot count processes");
	if (!realpath(settings->file, config))
		return err_errno(err, "cannot find '%s'", settings->file);
	if (program_own(own, err) || program_run(&end, &program, err))
		return -1;
	/* NOLINTBEGIN(cert-err34-c): as our own program prints it */
	if (end.timed_out)
		err_fill(err, ERR_TIMEOUT, "not counted in time");
	else if (end.exit_code != 0 || !buffer_text(&end.output) ||
		 sscanf(buffer_text(&end.output),
			"%" SCNd64 " %" SCNd64 " %" SCNd64, &figures.processes,
			&figures.memory_bytes, &figures.cpu_ms) != 3)
		err_fill(err, ERR_SYSTEM, "cannot count processes");
	else
		result = 0;
	/* NOLINTEND(cert-err34-c) */
	if (result == 0)
		*ret = figures;
	buffer_free(&end.output);
	buffer_free(&end.errors);
	return result;
}

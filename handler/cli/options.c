#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/limits.h"
#include "cli/options.h"

#include "base/banned.h"

#define COUNT_MAX 1000000
#define CODE_BASE 256 /* the codes of options without a letter */

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, CODE_BASE + OPTION_VERSION },
	{ "json", no_argument, NULL, CODE_BASE + OPTION_JSON },
	{ "no-wait", no_argument, NULL, CODE_BASE + OPTION_NO_WAIT },
	{ "all", no_argument, NULL, CODE_BASE + OPTION_ALL },
	{ "hold", no_argument, NULL, CODE_BASE + OPTION_HOLD },
	{ "force", no_argument, NULL, CODE_BASE + OPTION_FORCE },
	{ "lines", required_argument, NULL, 'n' },
	{ "follow", no_argument, NULL, 'f' },
	{ "generation", required_argument, NULL,
	  CODE_BASE + OPTION_GENERATION },
	{ "replace", no_argument, NULL, CODE_BASE + OPTION_REPLACE },
	{ "listen", required_argument, NULL, CODE_BASE + OPTION_LISTEN },
	{ "threads", required_argument, NULL, CODE_BASE + OPTION_THREADS },
	{ NULL, 0, NULL, 0 },
};

static int parse_number(int64_t *ret, const char *option, const char *text,
			int64_t max, struct err *err)
{
	char *end = NULL;
	long long number;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno || end == text || *end || number < 0 || number > max)
		return err_set(err, ERR_INVALID,
			       "%s: expected a whole number from 0 to %lld, "
			       "got '%s'",
			       option, (long long)max, text);
	*ret = number;
	return 0;
}

static int take_word(struct options *options, const char *word, struct err *err)
{
	if (!options->command)
		options->command = word;
	else if (!options->gateway)
		options->gateway = word;
	else if (!options->snapshot)
		options->snapshot = word;
	else
		return err_set(err, ERR_INVALID, "one word too many: '%s'",
			       word);
	return 0;
}

static int take_option(struct options *options, int code, struct err *err)
{
	int64_t number = 0;

	switch (code) {
	case 1: /* no option: in its place, because of the '-' that begins the list */
		return take_word(options, optarg, err);
	case 'c':
		options->config = optarg;
		return 0;
	case 'h':
		options->given |= OPTION_HELP;
		return 0;
	case 'f':
		options->given |= OPTION_FOLLOW;
		return 0;
	case 'n':
		options->given |= OPTION_COUNT;
		if (parse_number(&number, "-n", optarg, COUNT_MAX, err))
			return -1;
		options->count = (int)number;
		return 0;
	case CODE_BASE + OPTION_GENERATION:
		options->given |= OPTION_GENERATION;
		return parse_number(&options->generation, "--generation",
				    optarg, INT64_MAX, err);
	case CODE_BASE + OPTION_LISTEN:
		options->given |= OPTION_LISTEN;
		options->listen = optarg;
		return 0;
	case CODE_BASE + OPTION_THREADS:
		options->given |= OPTION_THREADS;
		if (parse_number(&number, "--threads", optarg, THREADS_MAX,
				 err))
			return -1;
		options->threads = number > 0 ? (int)number : 1;
		return 0;
	default:
		options->given |= (unsigned int)(code - CODE_BASE);
		return 0;
	}
}

static int refuse(const char *word, int letter, int code, struct err *err)
{
	const char *what = code == ':' ? "needs a value" : "is not an option";

	if (letter > 0 && letter < CODE_BASE)
		return err_set(err, ERR_INVALID, "'-%c' %s", letter, what);
	return err_set(err, ERR_INVALID, "'%s' %s", word, what);
}

int options_parse(struct options *ret, int argc, char **argv, struct err *err)
{
	struct options options = { .count = -1, .threads = THREADS_DEFAULT };
	int code;

	opterr = 0;
	optind = 1;
	while ((code = getopt_long(argc, argv, "-:c:hn:f", long_options,
				   NULL)) != -1) {
		if (code == '?' || code == ':')
			return refuse(argv[optind - 1], optopt, code, err);
		if (take_option(&options, code, err))
			return -1;
	}
	for (; optind < argc; optind++) /* after "--" */
		if (take_word(&options, argv[optind], err))
			return -1;
	*ret = options;
	return 0;
}

const char *option_name(enum option_flag flag)
{
	switch (flag) {
	case OPTION_JSON:
		return "--json";
	case OPTION_NO_WAIT:
		return "--no-wait";
	case OPTION_HOLD:
		return "--hold";
	case OPTION_COUNT:
		return "-n";
	case OPTION_FOLLOW:
		return "-f";
	case OPTION_GENERATION:
		return "--generation";
	case OPTION_REPLACE:
		return "--replace";
	case OPTION_HELP:
		return "--help";
	case OPTION_VERSION:
		return "--version";
	case OPTION_ALL:
		return "--all";
	case OPTION_LISTEN:
		return "--listen";
	case OPTION_THREADS:
		return "--threads";
	case OPTION_FORCE:
		return "--force";
	case OPTION_SNAPSHOT:
	case OPTION_REQUEST:
		break;
	}
	return "";
}

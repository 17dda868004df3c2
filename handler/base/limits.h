/* limits.h - every size that somebody else could make large */
#ifndef WAKEGATE_LIMITS_H
#define WAKEGATE_LIMITS_H

#define GATEWAY_NAME_BYTES  64	      /* a gateway's name, with its NUL */
#define GATEWAYS_MAX	    64	      /* in one configuration */
#define CONFIG_BYTES_MAX    (1 << 20) /* the configuration file */
#define SECRET_BYTES_MAX    8192      /* a secret's file */
#define COMMAND_WORDS_MAX   256	      /* words of a gateway's command */
#define HEAD_BYTES_MAX	    65536     /* a request's or response's head */
#define HEADERS_MAX	    256	      /* fields in a response's head */
#define PROBE_BYTES_MAX	    65536     /* of a probe's answer */
#define RELAY_BYTES	    16384     /* one read of a body */
#define RESPONSE_BYTES	    65528 /* of a response's: a FastCGI record's content */
#define OUTPUT_TAIL_BYTES   2048      /* of the gateway's output, in the row */
#define OUTPUT_LOG_BYTES    (8 << 20) /* the output file, before it is rotated */
#define KEEPER_LOG_BYTES    (1 << 20) /* the keepers' own log file */
#define THREADS_DEFAULT	    64	 /* requests that a worker answers at once */
#define WAITERS_MAX	    2048 /* threads more, for what only waits */
#define THREADS_MAX	    1024
#define EVENTS_KEPT	    10000
#define SNAPSHOT_PATH_BYTES 1024 /* an archive's path, or its key */
#define REQUEST_ID_BYTES    33	 /* 32 hexadecimal digits and a NUL */

#endif

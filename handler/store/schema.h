/* schema.h - the files of schema/, compiled in by tools/embed.awk
 *
 * schema_migrations[n] leads from user_version n to n + 1 and sets it.
 */
#ifndef WAKEGATE_SCHEMA_H
#define WAKEGATE_SCHEMA_H

extern const char *const schema_migrations[];
extern const int schema_version;

#endif

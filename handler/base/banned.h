/* banned.h - calls that we don't make; included last in every .c file
 *
 * Each has a bounded, thread-safe or close-on-exec twin.
 */
#ifndef WAKEGATE_BANNED_H
#define WAKEGATE_BANNED_H

#undef sprintf
#undef vsprintf
#undef strncpy
#undef strcat
#undef strcpy
#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets
#pragma GCC poison atoi atol atoll system popen mktemp tmpnam
#pragma GCC poison gmtime localtime asctime ctime strtok

#endif

# Own checks of flags: a flag is tried with -Werror and kept if it works.

# WAKEGATE_TRY_CFLAGS(VARIABLE, FLAGS) - appends those of FLAGS that compile.
# The trial has OPT_CFLAGS and the user's CFLAGS, since some flags (such as
# _FORTIFY_SOURCE) depend on them.
AC_DEFUN([WAKEGATE_TRY_CFLAGS], [
	wakegate_saved_cflags=$CFLAGS
	for wakegate_flag in $2; do
		AC_MSG_CHECKING([whether $CC takes $wakegate_flag])
		CFLAGS="$OPT_CFLAGS $wakegate_saved_cflags -Werror $wakegate_flag"
		AC_COMPILE_IFELSE([AC_LANG_PROGRAM([#include <stdio.h>])],
			[AC_MSG_RESULT([yes])
			$1="$$1 $wakegate_flag"],
			[AC_MSG_RESULT([no])])
	done
	CFLAGS=$wakegate_saved_cflags
])

# WAKEGATE_TRY_LDFLAGS(VARIABLE, FLAGS) - appends those of FLAGS that link, with
# HARDEN_CFLAGS in force (-pie needs -fPIE).
AC_DEFUN([WAKEGATE_TRY_LDFLAGS], [
	wakegate_saved_cflags=$CFLAGS
	wakegate_saved_ldflags=$LDFLAGS
	for wakegate_flag in $2; do
		AC_MSG_CHECKING([whether $CC links with $wakegate_flag])
		CFLAGS="$OPT_CFLAGS $HARDEN_CFLAGS $wakegate_saved_cflags"
		LDFLAGS="$wakegate_saved_ldflags -Werror $wakegate_flag"
		AC_LINK_IFELSE([AC_LANG_PROGRAM([#include <stdio.h>])],
			[AC_MSG_RESULT([yes])
			$1="$$1 $wakegate_flag"],
			[AC_MSG_RESULT([no])])
	done
	CFLAGS=$wakegate_saved_cflags
	LDFLAGS=$wakegate_saved_ldflags
])

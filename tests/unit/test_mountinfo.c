/* The reader of /proc/self/mountinfo: what it takes, and what it does not. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "snapshot/mountinfo.h"
#include "unit/tap.h"

#include "base/banned.h"

/* The result of the first line; *mount points into text, which the caller owns. */
static int first(char *text, struct mount_line *mount)
{
	struct err err;
	char *rest = text;

	return mountinfo_next(&rest, mount, &err);
}

static void test_fields(void)
{
	char text[] = "36 35 98:7 /sub /mnt/a rw,noatime shared:1 master:2 - "
		      "fuse.squashfuse wakegate ro,errors=continue\n"
		      "37 36 0:40 net:[4026531840] / ro - proc  rw\n";
	struct mount_line mount = { 0 };
	struct err err;
	char *rest = text;

	ok(mountinfo_next(&rest, &mount, &err) == 1, "a line is taken");
	ok(mount.id == 36 && mount.parent == 35, "its ids");
	ok(mount.major == 98 && mount.minor == 7, "its device");
	ok(strcmp(mount.root, "/sub") == 0, "its root");
	ok(strcmp(mount.at, "/mnt/a") == 0, "its mount point");
	ok(strcmp(mount.options, "rw,noatime") == 0, "its options");
	ok(strcmp(mount.type, "fuse.squashfuse") == 0,
	   "its type, after as many tags as there are");
	ok(strcmp(mount.source, "wakegate") == 0, "its source");
	ok(mountinfo_next(&rest, &mount, &err) == 1, "a line without tags");
	ok(strcmp(mount.source, "") == 0, "and without a source");
	ok(mountinfo_next(&rest, &mount, &err) == 0, "then it is at the end");
	ok(mountinfo_next(&rest, &mount, &err) == 0, "and stays there");
}

static void test_escapes(void)
{
	char text[] = "1 2 3:4 / /a\\040b\\011c\\012d\\134e\\043f rw - t s o\n";
	char high[] = "1 2 3:4 / /\\303\\251 rw - t s o\n";
	char broken_option[] = "1 2 3:4 / /a rw - t s broken\\9 and more\n";
	struct mount_line mount = { 0 };

	ok(first(text, &mount) == 1 && strcmp(mount.at, "/a b\tc\nd\\e#f") == 0,
	   "space, tab, new line, backslash and # are decoded");
	ok(first(high, &mount) == 1 && strcmp(mount.at, "/\303\251") == 0,
	   "and bytes above 127");
	ok(first(broken_option, &mount) == 1,
	   "what a file system says of itself is not looked into");
}

static void test_refused(void)
{
	static const char *const lines[] = {
		"\n",
		" \n",
		"1\n",
		"1 2 3:4 / /a rw - t s o", /* cut off */
		"1 2 3:4 / /a rw - t s\n",
		"1 2 3:4 / /a rw - t s \n",
		"1 2 3:4 / /a rw - t\n",
		"1 2 3:4 / /a rw -\n",
		"1 2 3:4 / /a rw shared:1\n",
		"1 2 3:4 / /a rw shared:1 t s o\n",
		"1 2 3:4 / a rw - t s o\n",
		"1 2 3:4 /  rw - t s o\n",
		"1 2 3:4  /a rw - t s o\n",
		"1 2 3:4 / /a  - t s o\n",
		"1 2 3:4 / /a rw -  s o\n",
		"1 2 3 / /a rw - t s o\n",
		"1 2 3:x / /a rw - t s o\n",
		"1  3:4 / /a rw - t s o\n",
		"-1 2 3:4 / /a rw - t s o\n",
		"+1 2 3:4 / /a rw - t s o\n",
		" 1 2 3:4 / /a rw - t s o\n",
		"4294967296 2 3:4 / /a rw - t s o\n",
		"99999999999999999999 2 3:4 / /a rw - t s o\n",
		"1 2 3:4 / /a\\ rw - t s o\n",
		"1 2 3:4 / /a\\04 rw - t s o\n",
		"1 2 3:4 / /a\\048 rw - t s o\n",
		"1 2 3:4 / /a\\000b rw - t s o\n",
		"1 2 3:4 / /a\\400 rw - t s o\n",
		"1 2 3:4 / /a\\777 rw - t s o\n",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct mount_line mount = { .id = 77 };
		char *text = strdup(lines[i]);

		if (!text)
			abort();
		ok(first(text, &mount) == -1 && mount.id == 77,
		   "refused: line %zu", i);
		free(text);
	}
}

static void test_options(void)
{
	ok(mountinfo_has("rw,nosuid,nodev", "rw"), "the first option");
	ok(mountinfo_has("rw,nosuid,nodev", "nosuid"), "one in the middle");
	ok(mountinfo_has("rw,nosuid,nodev", "nodev"), "the last");
	ok(!mountinfo_has("rw,nosuid,nodev", "no"), "not the begin of one");
	ok(!mountinfo_has("rw,nosuidx,xnodev", "nosuid"), "nor of another");
	ok(!mountinfo_has("rw,nosuidx,xnodev", "nodev"), "nor the end");
	ok(!mountinfo_has("", "rw"), "nothing is in nothing");
}

static void test_real(void)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	struct mount_line mount;
	char *line = NULL;
	size_t size = 0;
	bool root = false;
	bool all = true;

	while (file && getline(&line, &size, file) > 0) {
		all = all && first(line, &mount) == 1;
		root = root || (all && strcmp(mount.at, "/") == 0);
	}
	ok(file && all, "this machine's mounts are taken");
	ok(root, "'/' is among them");
	if (file)
		(void)fclose(file);
	free(line);
}

int main(void)
{
	test_fields();
	test_escapes();
	test_refused();
	test_options();
	test_real();
	return done_testing();
}

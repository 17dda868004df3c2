/* hangfs.c - makes files hang, for tests: whoever reads one never gets an answer
 *
 * hangfs FOLDER FILE... makes a mount name space of its own, mounts a file system
 * on FOLDER there whose one file, `page`, can be opened but never read, and binds
 * it over each FILE: /proc/4711/environ, say. A reader is in uninterruptible sleep
 * until this program ends. `nsenter -t PID -m` joins the name space; outside of it
 * nothing hangs. Prints `ready`; ends on SIGTERM. Needs root.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_INODE 2
#define FILE_BYTES 8192
#define HALF	   4096

_Noreturn static void fail(const char *what)
{
	fprintf(stderr, "hangfs: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void answer(int fuse, uint64_t unique, int error, const void *data,
		   size_t len)
{
	char message[512];
	struct fuse_out_header head = { .unique = unique, .error = -error };

	head.len = (uint32_t)(sizeof(head) + len);
	memcpy(message, &head, sizeof(head));
	memcpy(message + sizeof(head), data, len);
	if (write(fuse, message, head.len) < 0 && errno != ENOENT)
		fail("write to /dev/fuse");
}

static struct fuse_attr attributes(uint64_t inode)
{
	bool is_file = inode == FILE_INODE;

	return (struct fuse_attr){ .ino = inode,
				   .size = is_file ? FILE_BYTES : 0,
				   .mode = is_file ? S_IFREG | 0555
						   : S_IFDIR | 0555,
				   .nlink = 1 };
}

static void answer_lookup(int fuse, const struct fuse_in_header *in)
{
	struct fuse_entry_out entry = { .nodeid = FILE_INODE,
					.entry_valid = 3600,
					.attr_valid = 3600,
					.attr = attributes(FILE_INODE) };
	const char *name = (const char *)(in + 1);

	if (strcmp(name, "page") == 0)
		answer(fuse, in->unique, 0, &entry, sizeof(entry));
	else
		answer(fuse, in->unique, ENOENT, "", 0);
}

/* READ is the one request that never gets an answer. */
static void serve_one(int fuse, const struct fuse_in_header *in)
{
	struct fuse_init_out init = { .major = FUSE_KERNEL_VERSION,
				      .minor = 31,
				      .max_write = 4096 };
	struct fuse_attr_out attr = { .attr_valid = 3600 };
	struct fuse_open_out opened = { .fh = 0 };

	attr.attr = attributes(in->nodeid);
	switch (in->opcode) {
	case FUSE_INIT:
		answer(fuse, in->unique, 0, &init, sizeof(init));
		break;
	case FUSE_LOOKUP:
		answer_lookup(fuse, in);
		break;
	case FUSE_GETATTR:
		answer(fuse, in->unique, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
		answer(fuse, in->unique, 0, &opened, sizeof(opened));
		break;
	case FUSE_READ:
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
		answer(fuse, in->unique, 0, "", 0);
		break;
	default:
		answer(fuse, in->unique, ENOSYS, "", 0);
	}
}

static void serve(int fuse)
{
	_Alignas(8) static char message[65536];
	ssize_t got;

	for (;;) {
		got = read(fuse, message, sizeof(message));
		if (got >= (ssize_t)sizeof(struct fuse_in_header))
			serve_one(fuse, (struct fuse_in_header *)message);
		else if (got < 0 && errno == ENODEV)
			return;
	}
}

static int mount_fuse(const char *folder)
{
	int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[128];

	(void)snprintf(options, sizeof(options),
		       "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other",
		       fuse);
	if (fuse < 0 || mount("hangfs", folder, "fuse.hangfs",
			      MS_NOSUID | MS_NODEV, options) != 0)
		fail("mount");
	return fuse;
}

static void bind_over(const char *folder, char *const *files)
{
	char page[4096];

	(void)snprintf(page, sizeof(page), "%s/page", folder);
	for (; *files; files++)
		if (mount(page, *files, NULL, MS_BIND, NULL) != 0)
			fail(*files);
	puts("ready");
	(void)fflush(stdout);
}

/* This process serves, a child binds, which asks the file system. The child must
 * not keep /dev/fuse open: that would keep the file system alive. */
int main(int argc, char **argv)
{
	int fuse;

	if (argc < 3) {
		fprintf(stderr, "usage: hangfs FOLDER FILE...\n");
		return 2;
	}
	if (unshare(CLONE_NEWNS) != 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		fail("unshare");
	fuse = mount_fuse(argv[1]);
	if (fork() == 0) {
		(void)close(fuse);
		bind_over(argv[1], argv + 2);
		_exit(0);
	}
	serve(fuse);
	return 0;
}

/* hangfs.c - makes /proc hang, for tests
 *
 * hangfs FOLDER mounts a file system on FOLDER whose one file, `page`, can be
 * opened and mapped but never read: whoever touches a page of it waits until
 * this program ends. A process, the victim, maps it; another one reads that page
 * by /proc/VICTIM/mem, and hangs with the lock on the victim's memory held; then
 * the victim wants that lock for itself, and is in uninterruptible sleep. From
 * then on `cat /proc/VICTIM/environ` hangs, `cmdline` and `maps` as well. Prints
 * the victim's pid when it is so; ends on SIGTERM. Needs root.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_INODE 2
#define FILE_BYTES 8192
#define HALF	   4096

static const char *mounted; /* for the handler of SIGTERM */
static pid_t victim;
static pid_t toucher;

_Noreturn static void fail(const char *what)
{
	fprintf(stderr, "hangfs: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void leave(int signal)
{
	(void)signal;
	(void)kill(victim, SIGKILL);
	(void)kill(toucher, SIGKILL);
	(void)umount2(mounted, MNT_DETACH);
	_exit(0);
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
				   .mode = is_file ? S_IFREG | 0444
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

static void pause_ms(long ms)
{
	struct timespec left = { .tv_nsec = ms * 1000000L };

	(void)nanosleep(&left, NULL);
}

/* Maps the page, says where, waits until it is being touched, and hangs. */
_Noreturn static void be_victim(const char *path, int out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *page =
		fd < 0 ? MAP_FAILED
		       : mmap(NULL, FILE_BYTES, PROT_READ, MAP_PRIVATE, fd, 0);

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (page == MAP_FAILED)
		fail(path);
	if (write(out, &page, sizeof(page)) != sizeof(page))
		fail("pipe");
	for (;;) {
		pause_ms(100);
		(void)mmap(NULL, FILE_BYTES, PROT_READ,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	}
}

_Noreturn static void be_toucher(int in)
{
	void *page;
	char path[64];
	char byte;
	int fd;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)victim);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(in, &page, sizeof(page)) != sizeof(page))
		fail(path);
	(void)!pread(fd, &byte, 1, (off_t)(uintptr_t)page);
	_exit(0);
}

/* Says who the victim is when it is in uninterruptible sleep. */
_Noreturn static void be_reporter(void)
{
	char path[64];
	char text[256] = "";
	char *state;
	FILE *file;
	int tries;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)victim);
	for (tries = 0; tries < 200; tries++) {
		pause_ms(50);
		file = fopen(path, "re");
		if (!file || !fgets(text, sizeof(text), file))
			break;
		(void)fclose(file);
		state = strrchr(text, ')');
		if (!state || strncmp(state, ") D", 3) != 0)
			continue;
		printf("%d\n", (int)victim);
		(void)fflush(stdout);
		_exit(0);
	}
	fail("the victim does not hang");
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

/* The file system must be served while the victim opens its file: this process
 * serves, its children do the rest. None of them may keep /dev/fuse open: that
 * would keep the file system alive. */
int main(int argc, char **argv)
{
	char path[4096];
	int page[2];
	int fuse;

	if (argc != 2) {
		fprintf(stderr, "usage: hangfs FOLDER\n");
		return 2;
	}
	(void)snprintf(path, sizeof(path), "%s/page", argv[1]);
	if (pipe(page) != 0)
		fail("pipe");
	mounted = argv[1];
	fuse = mount_fuse(argv[1]);
	victim = fork();
	if (victim == 0) {
		(void)close(fuse);
		be_victim(path, page[1]);
	}
	toucher = fork();
	if (toucher == 0) {
		(void)close(fuse);
		be_toucher(page[0]);
	}
	(void)signal(SIGTERM, leave);
	(void)signal(SIGINT, leave);
	if (fork() == 0) {
		(void)close(fuse);
		be_reporter();
	}
	serve(fuse);
	return 0;
}

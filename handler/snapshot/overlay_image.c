/* The image under the overlay: a loop device and the kernel, or squashfuse. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "snapshot/overlay_private.h"
#include "snapshot/run.h"

#include "base/banned.h"

#define LOOP_TRIES	 64 /* others take them too */
#define SUPERBLOCK_BYTES 96
#define SUPERBLOCK_MAGIC 0x73717368U
#define SUPERBLOCK_USED	 40 /* where its length is */
#define SUPERBLOCK_MAJOR 28

static uint64_t little_endian(const unsigned char *at, int len)
{
	uint64_t value = 0;

	while (len-- > 0)
		value = value << 8 | at[len];
	return value;
}

static int check_superblock(const char *path, int fd, struct err *err)
{
	unsigned char block[SUPERBLOCK_BYTES];
	struct stat status;

	if (fstat(fd, &status) != 0)
		return err_errno(err, "cannot stat '%s'", path);
	if (pread(fd, block, sizeof(block), 0) != (ssize_t)sizeof(block) ||
	    little_endian(block, 4) != SUPERBLOCK_MAGIC ||
	    little_endian(block + SUPERBLOCK_MAJOR, 2) != 4)
		return err_set(err, ERR_INVALID, "'%s' is no squashfs image",
			       path);
	if (little_endian(block + SUPERBLOCK_USED, 8) >
	    (uint64_t)status.st_size)
		return err_set(err, ERR_CORRUPT, "'%s' is cut off", path);
	return 0;
}

/* A free loop device, gone as soon as nobody has it open or mounted. */
static int attach(char ret[32], const char *path, int image_fd, struct err *err)
{
	CLEANUP_FD int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	struct loop_config config = {
		.fd = (uint32_t)image_fd,
		.info = { .lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR },
	};

	(void)snprintf((char *)config.info.lo_file_name, LO_NAME_SIZE, "%s",
		       path);
	for (int i = 0; control >= 0 && i < LOOP_TRIES; i++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);
		CLEANUP_FD int fd = -1;

		if (number < 0)
			break;
		(void)snprintf(ret, 32, "/dev/loop%d", number);
		fd = open(ret, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			break;
		if (ioctl(fd, LOOP_CONFIGURE, &config) == 0)
			return STEAL_FD(fd);
		if (errno != EBUSY)
			break;
	}
	return err_errno(err, "no loop device");
}

struct kernel_mount {
	const char *device;
	const char *folder;
};

static int try_mount(const void *argument, struct err *err)
{
	const struct kernel_mount *how = argument;

	if (mount(how->device, how->folder, "squashfs",
		  MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) != 0)
		return err_errno(err, "cannot mount '%s'", how->device);
	return 0;
}

static int by_kernel(const char *path, int image_fd, const char *folder,
		     struct deadline deadline, struct err *err)
{
	char device[32];
	struct kernel_mount how = { .device = device, .folder = folder };
	CLEANUP_FD int loop_fd = attach(device, path, image_fd, err);

	if (loop_fd < 0)
		return -1;
	if (child_run(try_mount, &how, deadline, err))
		return err_context(err, "image '%s'", path);
	return 0;
}

int overlay_run_daemon(const char *const *argv, const char *within,
		       struct deadline deadline, struct err *err)
{
	struct program program = {
		.argv = argv, .directory = within, .in_fd = -1, .daemon = true
	};

	return run_program(&program, deadline, err);
}

static int by_squashfuse(const char *path, const char *folder,
			 struct deadline deadline, struct err *err)
{
	const char *argv[] = {
		"squashfuse",
		"-o",
		geteuid() == 0 ? "ro,nosuid,nodev,fsname=wakegate,"
				 "default_permissions,allow_other"
			       : "ro,nosuid,nodev,fsname=wakegate",
		path,
		folder,
		NULL,
	};
	char real[PATH_MAX];

	if (!realpath(path, real))
		return err_errno(err, "cannot resolve '%s'", path);
	argv[3] = real;
	return overlay_run_daemon(argv, NULL, deadline, err);
}

int overlay_mount_image(const char *path, int image_fd, const char *folder,
			struct deadline deadline, struct err *err)
{
	struct err kernel = { .text = "" };

	if (check_superblock(path, image_fd, err))
		return -1;
	if (geteuid() == 0 &&
	    by_kernel(path, image_fd, folder, deadline, &kernel) == 0)
		return 0;
	if (kernel.code == ERR_TIMEOUT) {
		*err = kernel;
		return -1;
	}
	if (by_squashfuse(path, folder, deadline, err) == 0)
		return 0;
	return kernel.text[0] ? err_context(err, "%s; then", kernel.text) : -1;
}

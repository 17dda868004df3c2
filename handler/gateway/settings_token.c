#include "config.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "gateway/settings_private.h"
#include "gateway/settings_token.h"

#include "base/banned.h"

#define TOO_OPEN (S_IWGRP | S_IRWXO)

struct settings_token {
	pthread_mutex_t lock;
	char *path; /* of what was read last; NULL: nothing yet */
	struct file_stamp stamp;
	char *text; /* NULL: it lets nobody in */
	size_t len;
};

bool token_same(struct slice given, struct slice right)
{
	size_t differ = given.len ^ right.len;

	if (right.len == 0)
		return false;
	for (size_t i = 0; i < given.len; i++)
		differ |= (unsigned char)(given.data[i] ^
					  right.data[i % right.len]);
	return differ == 0;
}

static void erase(char *text, size_t len)
{
	explicit_bzero(text, len);
	free(text);
}

static int read_token(struct small_file *ret, const char *file, struct err *err)
{
	struct small_file read = { 0 };

	if (secret_file_read(&read, file, err))
		return -1;
	if ((read.stamp.mode & TOO_OPEN) == 0 && read.len >= TOKEN_MIN) {
		*ret = read;
		return 0;
	}
	erase(read.text, read.len);
	if (read.len < TOKEN_MIN)
		return err_set(err, ERR_INVALID,
			       "'%s' holds %zu characters: a token has at "
			       "least %d",
			       file, read.len, TOKEN_MIN);
	return err_set(err, ERR_INVALID,
		       "'%s' is open to others (mode %04o): chmod it to 600",
		       file, (unsigned int)read.stamp.mode & 07777);
}

int settings_token_check(const char *file, struct err *err)
{
	struct small_file read = { 0 };

	if (read_token(&read, file, err))
		return -1;
	erase(read.text, read.len);
	return 0;
}

int settings_token_open(struct settings_token **ret, struct err *err)
{
	struct settings_token *self = calloc(1, sizeof(*self));

	if (!self)
		return err_errno(err, "cannot hold a token");
	(void)pthread_mutex_init(&self->lock, NULL);
	*ret = self;
	return 0;
}

static void forget(struct settings_token *token)
{
	if (token->text)
		erase(token->text, token->len);
	token->text = NULL;
	token->len = 0;
	free(token->path);
	token->path = NULL;
}

void settings_token_close(struct settings_token *token)
{
	if (!token)
		return;
	forget(token);
	(void)pthread_mutex_destroy(&token->lock);
	free(token);
}

/* Reads it anew when it is another file than the one that was read. */
static void look(struct settings_token *token, const char *file)
{
	struct file_stamp stamp = file_stamp_of(file);
	struct small_file read = { 0 };
	struct err err;

	if (token->path && strcmp(token->path, file) == 0 &&
	    file_stamp_same(&stamp, &token->stamp))
		return;
	forget(token);
	token->path = strdup(file);
	token->stamp = stamp;
	if (read_token(&read, file, &err)) {
		log_line(LEVEL_ERROR,
			 "msg=\"admin.token_file lets nobody in: %s\"",
			 err.text);
		return;
	}
	token->stamp = read.stamp;
	token->text = read.text;
	token->len = read.len;
}

bool settings_token_is(struct settings_token *token, const char *file,
		       struct slice given)
{
	bool same;

	(void)pthread_mutex_lock(&token->lock);
	look(token, file);
	same = token_same(given, (struct slice){ token->text, token->len });
	(void)pthread_mutex_unlock(&token->lock);
	return same;
}

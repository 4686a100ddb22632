/* feed.h - the home feed of one user, read from a file in the feeds folder. */
#ifndef CRUDDUR_FEED_H
#define CRUDDUR_FEED_H

#include "queue.h"

enum { MESSAGE_MAX = 140 };

/* Reads FOLDER/USER.feed into q: a message a line; "!clear" forgets what was before it.
 * 0, or -1 and the error was reported. */
int feed_read(struct queue *q, const char *folder, const char *user);

#endif

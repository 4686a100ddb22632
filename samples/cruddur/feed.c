/* feed.c - reads feeds, and trusts whoever wrote them more than it should. */
#include "feed.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <towbar/towbar.h>

static int feed_line(struct queue *q, char *line)
{
    line[strcspn(line, "\n")] = '\0';
    if (strcmp(line, "!clear") == 0) {
        towbar_note(TOWBAR_INFO, "moderator cleared the feed");
        queue_clear(q);
        return 0;
    }
    size_t length = strlen(line);
    assert(length <= MESSAGE_MAX);
    return queue_push(q, line);
}

int feed_read(struct queue *q, const char *folder, const char *user)
{
    char path[4096];
    char line[1024];
    int err = 0;
    snprintf(path, sizeof(path), "%s/%s.feed", folder, user);
    towbar_note(TOWBAR_INFO, "reading the feed of %s", user);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        towbar_perror("cannot read the feed of %s", user);
        return -1;
    }
    while (err == 0 && fgets(line, sizeof(line), file) != NULL)
        err = feed_line(q, line);
    if (err != 0)
        towbar_error("no memory for the feed of %s", user);
    fclose(file);
    return err;
}

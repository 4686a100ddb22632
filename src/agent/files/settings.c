/* settings.c - see settings.h. */
#include "agent/files/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The copy of a text, NULL for none; *err is set where there is no memory. */
static char *copy(const char *text, int *err)
{
    char *out = text != NULL ? strdup(text) : NULL;
    if (text != NULL && out == NULL)
        *err = -ENOMEM;
    return out;
}

static void copy_paths(const struct tb_config *from, struct tb_config *out, int *err)
{
    out->rollbar_files = calloc(from->n_rollbar_files + 1, sizeof(*out->rollbar_files));
    if (out->rollbar_files == NULL) {
        *err = -ENOMEM;
        return;
    }
    for (size_t i = 0; i < from->n_rollbar_files; i++)
        out->rollbar_files[out->n_rollbar_files++] = copy(from->rollbar_files[i], err);
}

static void copy_logs(const struct tb_config *from, struct tb_config *out, int *err)
{
    out->logs = calloc(from->n_logs + 1, sizeof(*out->logs));
    if (out->logs == NULL) {
        *err = -ENOMEM;
        return;
    }
    for (size_t i = 0; i < from->n_logs; i++) {
        const struct tb_config_log *log = &from->logs[i];
        out->logs[out->n_logs++] =
            (struct tb_config_log){.path = copy(log->path, err),
                                   .pattern = copy(log->pattern, err),
                                   .level = copy(log->level, err),
                                   .service = copy(log->service, err),
                                   .environment = copy(log->environment, err),
                                   .framework = copy(log->framework, err)};
    }
}

int tb_files_settings_copy(const struct tb_config *from, struct tb_config *out)
{
    int err = 0;
    *out = (struct tb_config){.removes_rollbar_files = from->removes_rollbar_files,
                              .max_bytes = from->max_bytes,
                              .max_percent = from->max_percent,
                              .keep_free_percent = from->keep_free_percent};
    out->spool = copy(from->spool, &err);
    out->state_dir = copy(from->state_dir, &err);
    out->environment = copy(from->environment, &err);
    copy_paths(from, out, &err);
    copy_logs(from, out, &err);
    if (err)
        tb_config_done(out);
    return err;
}

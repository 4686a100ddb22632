/* health.c - see health.h. */
#include "agent/serve/health.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/statvfs.h>

int tb_health_live(struct tb_engine *engine, char why[TB_HEALTH_WHY])
{
    char part[TB_ENGINE_PART];
    if (!tb_engine_stuck(engine, part))
        return 0;
    snprintf(why, TB_HEALTH_WHY, "the %s has not moved for %d s: restart towbard", part,
             TB_ENGINE_STUCK_S);
    return -ETIMEDOUT;
}

static int check_disk(const struct tb_config *config, char why[TB_HEALTH_WHY])
{
    struct statvfs fs;
    if (statvfs(config->spool, &fs) < 0)
        return 0; /* the pipeline says what is wrong with it */
    uint64_t left = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (left >= TB_HEALTH_DISK_MIN)
        return 0;
    snprintf(why, TB_HEALTH_WHY, "the disk of the spool %.300s is full: %" PRIu64 " KiB are left",
             config->spool, left >> 10);
    return -ENOSPC;
}

int tb_health_ready(struct tb_engine *engine, const struct tb_config *config,
                    char why[TB_HEALTH_WHY])
{
    struct tb_pipeline_snapshot pipeline;
    struct tb_deliver_status delivery;
    int err = tb_health_live(engine, why);
    if (err)
        return err;
    tb_engine_look(engine, &pipeline, &delivery);
    if (pipeline.trouble[0] != '\0') {
        snprintf(why, TB_HEALTH_WHY, "%s", pipeline.trouble);
        return -EIO;
    }
    if (pipeline.spool.bytes >= config->max_bytes) {
        snprintf(why, TB_HEALTH_WHY,
                 "the spool holds %" PRIu64 " bytes, spool_limits.max_bytes is %" PRIu64
                 ": what is over it is removed",
                 pipeline.spool.bytes, config->max_bytes);
        return -ENOSPC;
    }
    return check_disk(config, why);
}

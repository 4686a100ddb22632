/* settings.h - what the reading of files needs of the settings, as a copy of its own: a file system
 * that does not answer keeps the thread for longer than a reload keeps the former settings. */
#ifndef TB_AGENT_FILES_SETTINGS_H
#define TB_AGENT_FILES_SETTINGS_H

#include "agent/config/config.h"

/* Copies what agent/files uses; all else in out is zero. 0 or -ENOMEM. Free with tb_config_done. */
int tb_files_settings_copy(const struct tb_config *from, struct tb_config *out);

#endif

/* dir.h - the folders of a spool: make them, open them, say what is wrong with them. */
#ifndef TB_SPOOL_DIR_H
#define TB_SPOOL_DIR_H

#include <stddef.h>

enum { TB_SPOOL_WHY = 512, TB_SPOOL_NAME = 64 };

/* Opens SPOOL/in for a producer as a directory descriptor (O_PATH: good for openat and fstat only,
 * since a drop box need not be readable). When create is set, what is missing of the path is made
 * with mode 0700. Returns the descriptor, or a negative errno with a sentence in why that names the
 * path and how to mend it. Refuses network file systems (-EREMOTEIO). */
int tb_spool_dir_open(const char *spool, int create, char why[TB_SPOOL_WHY]);

/* The agent's side: makes what is missing (shared: in/ gets mode 3733, else 0700; agent/ 0700) and
 * opens both folders. A folder that is there keeps its mode, but a private one (0700, of this user)
 * is opened to all when the spool is shared. 0, or a negative errno with why. */
int tb_spool_dir_agent(const char *spool, int shared, int *in_fd, int *agent_fd,
                       char why[TB_SPOOL_WHY]);

/* A fresh file name of the given class, "seg" or "slot". Signal-safe. */
void tb_spool_name(int class_, const unsigned char boot_id[16], unsigned number, const char *suffix,
                   char out[TB_SPOOL_NAME]);
/* Is it a name that a producer makes? Returns the class, or -1. kind, of enum tb_file_kind, is
 * written if so. */
int tb_spool_name_parse(const char *name, int *kind);
/* The name with another suffix: "more" for the slot's, "slot" for the other. 0, or -EINVAL when
 * name has none. Signal-safe. */
int tb_spool_name_beside(const char *name, const char *suffix, char out[TB_SPOOL_NAME]);

#endif

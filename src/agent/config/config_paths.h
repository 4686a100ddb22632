/* config_paths.h - where things are when nobody says, and how paths are written in the settings.
 *
 * Without a home an ordinary user has no default folders: like the library (capture/spool.c) the
 * agent then refuses, because a folder in /tmp with a name that others can guess is not safe. */
#ifndef TB_AGENT_CONFIG_PATHS_H
#define TB_AGENT_CONFIG_PATHS_H

enum { TB_CONFIG_PATH = 4096 };

/* "" where there is none. */
struct tb_config_places {
    char file[TB_CONFIG_PATH], spool[TB_CONFIG_PATH], state_dir[TB_CONFIG_PATH];
};

void tb_config_default_places(struct tb_config_places *out);
/* The socket's default follows the state folder, wherever it was set. */
void tb_config_default_socket(const char *state_dir, int state_was_set, char out[TB_CONFIG_PATH]);
/* May the folder of that socket be made? Only a default one, /run/towbar or the like. */
int tb_config_may_make_folder(const char *socket);

/* What is wrong with a path of the settings file, for people; NULL when it is absolute. */
const char *tb_config_path_fault(const char *path);
/* path as seen from the current folder, without "./" in front and "/" at the end; symbolic links
 * and ".." stay. 0; -EINVAL for "~/x"; -ENAMETOOLONG; or why the current folder has no name. */
int tb_config_absolute(const char *path, char out[TB_CONFIG_PATH]);

#endif

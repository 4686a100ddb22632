/* fs.h - what a file system promises, told by the magic number that statfs(2) gives. Pure. */
#ifndef TB_SPOOL_FS_H
#define TB_SPOOL_FS_H

enum tb_fs_kind {
    TB_FS_LOCAL,
    TB_FS_MEMORY, /* nothing of it outlives the host's next start */
    TB_FS_REMOTE, /* locks, O_EXCL and page-wise writes cannot be trusted there */
};

/* f_type is that of struct statfs. *name_out is the file system's, and NULL for one that is not
 * known here, which is taken for a local one. Signal-safe. */
enum tb_fs_kind tb_fs_judge(long f_type, const char **name_out);
/* Does fsync of a new file write its name too? Its journal or log tree has both. Signal-safe. */
int tb_fs_syncs_names(long f_type);

#endif

/* fs.c - see fs.h. Source of the numbers: linux/magic.h, statfs(2), and the heads of the kernel's
 * file systems that are not in there. */
#include "spool/fs.h"

#include <stddef.h>

static const struct {
    unsigned long magic;
    const char *name;
    enum tb_fs_kind kind;
    int syncs_names;
} known[] = {
    {0xef53, "ext4", TB_FS_LOCAL, 1}, /* ext2 and ext3 too, which the ext4 driver mounts */
    {0x58465342, "XFS", TB_FS_LOCAL, 1},
    {0x9123683e, "btrfs", TB_FS_LOCAL, 1},
    {0xf2f52010, "F2FS", TB_FS_LOCAL, 1},
    {0x794c7630, "overlay", TB_FS_LOCAL, 0},
    {0x01021994, "tmpfs", TB_FS_MEMORY, 0},
    {0x858458f6, "ramfs", TB_FS_MEMORY, 0},
    {0x6969, "NFS", TB_FS_REMOTE, 0},
    {0xff534d42, "CIFS", TB_FS_REMOTE, 0},
    {0xfe534d42, "SMB", TB_FS_REMOTE, 0},
    {0x517b, "SMB", TB_FS_REMOTE, 0},
    {0x01021997, "9p", TB_FS_REMOTE, 0},
    {0x65735546, "FUSE", TB_FS_REMOTE, 0}, /* virtiofs as well */
    {0x5346414f, "AFS", TB_FS_REMOTE, 0},
    {0x6b414653, "AFS", TB_FS_REMOTE, 0},
    {0x00c36400, "Ceph", TB_FS_REMOTE, 0},
    {0x73757245, "Coda", TB_FS_REMOTE, 0},
    {0x564c, "NCP", TB_FS_REMOTE, 0},
    {0x0bd00bd0, "Lustre", TB_FS_REMOTE, 0},
    {0x47504653, "GPFS", TB_FS_REMOTE, 0},
    {0x20030528, "OrangeFS", TB_FS_REMOTE, 0},
    {0x01161970, "GFS2", TB_FS_REMOTE, 0},
    {0x7461636f, "OCFS2", TB_FS_REMOTE, 0},
    {0x786f4256, "VirtualBox shared folder", TB_FS_REMOTE, 0},
    {0xbacbacbc, "VMware shared folder", TB_FS_REMOTE, 0},
};

/* Index of the table, or -1. Some architectures extend the sign of the number. */
static int find(long f_type)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (((unsigned long)f_type & 0xffffffff) == known[i].magic)
            return (int)i;
    }
    return -1;
}

enum tb_fs_kind tb_fs_judge(long f_type, const char **name_out)
{
    int i = find(f_type);
    *name_out = i < 0 ? NULL : known[i].name;
    return i < 0 ? TB_FS_LOCAL : known[i].kind;
}

int tb_fs_syncs_names(long f_type)
{
    int i = find(f_type);
    return i >= 0 && known[i].syncs_names;
}

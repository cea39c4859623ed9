package sqlite

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Network file systems by the magic number that statfs reports.
var networkFS = map[int64]string{
	unix.NFS_SUPER_MAGIC:  "NFS",
	unix.SMB_SUPER_MAGIC:  "SMB",
	unix.CIFS_SUPER_MAGIC: "CIFS",
	unix.SMB2_SUPER_MAGIC: "SMB",
	unix.AFS_SUPER_MAGIC:  "AFS",
	unix.AFS_FS_MAGIC:     "AFS",
	unix.CODA_SUPER_MAGIC: "Coda",
	unix.NCP_SUPER_MAGIC:  "NCP",
	unix.CEPH_SUPER_MAGIC: "Ceph",
	unix.V9FS_MAGIC:       "9p",
}

// Drivers in user space that reach over a network; others, such as those for
// overlays and foreign disks, are local.
var networkFuse = []string{"sshfs", "s3fs", "gcsfuse", "rclone", "goofys", "davfs", "curlftpfs", "glusterfs", "blobfuse", "juicefs", "nfs", "smb"}

// checkFileSystem refuses the file systems on which SQLite's WAL cannot work.
func checkFileSystem(dir string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return nil // the folder itself is looked at later, with a better error
	}
	magic := int64(uint32(st.Type))
	if name, ok := networkFS[magic]; ok {
		return fmt.Errorf("%s is %s", dir, name)
	}
	if magic == unix.FUSE_SUPER_MAGIC {
		var at unix.Stat_t
		if unix.Stat(dir, &at) != nil {
			return nil
		}
		mounts, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			return nil
		}
		return checkFuse(dir, uint64(at.Dev), string(mounts))
	}
	return nil
}

// checkFuse finds the driver of a mounted device in the kernel's list of mounts:
// "36 35 98:0 /root /point options - type source super-options".
func checkFuse(dir string, dev uint64, mountinfo string) error {
	id := fmt.Sprintf("%d:%d", unix.Major(dev), unix.Minor(dev))
	for line := range strings.Lines(mountinfo) {
		mount, driver, ok := strings.Cut(line, " - ")
		fields := strings.Fields(mount)
		if !ok || len(fields) < 3 || fields[2] != id {
			continue
		}
		driver, _, _ = strings.Cut(driver, " ")
		for _, name := range networkFuse {
			if strings.Contains(driver, name) {
				return fmt.Errorf("%s is %s", dir, driver)
			}
		}
	}
	return nil
}

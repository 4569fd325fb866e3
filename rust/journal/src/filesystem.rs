//! What is known of the disk below a journal: whether it is another machine's, and whether it has room to spare.

use std::path::Path;

use crate::error::{Error, Result};

const NETWORK: [&str; 16] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "ncpfs",
    "afs",
    "ceph",
    "glusterfs",
    "lustre",
    "9p",
    "fuse.sshfs",
    "fuse.s3fs",
    "fuse.rclone",
    "fuse.glusterfs",
    "gpfs",
];

/// Bytes that are free where a file lies; `None` where the system does not say.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    fs4::available_space(folder_of(path)).ok()
}

/// The folder that a file lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// How many times the bytes that are taken beforehand must be free: once for them, the rest for what the journal will write.
const SPARE: u64 = 4;

/// Whether so many bytes may be taken before anybody needs them.
pub(crate) fn may_fill(bytes: u64, free: Option<u64>) -> bool {
    free.is_some_and(|free| free / SPARE >= bytes)
}

/// Refuse a folder whose file system is one of the network.
pub(crate) fn require_local(path: &Path, folder: &Path) -> Result<()> {
    // Only Linux tells; elsewhere nothing is known, and nothing refused.
    let Ok(mounts) = std::fs::read_to_string("/proc/self/mountinfo") else {
        return Ok(());
    };
    let folder = folder
        .canonicalize()
        .map_err(|error| Error::disk(folder, "finding the folder", error))?;
    match kind_of(&mounts, &folder) {
        Some(kind) if NETWORK.contains(&kind) => Err(Error::NetworkFileSystem {
            path: path.to_owned(),
            kind: kind.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// The kind of the file system a folder lies on: that of the longest mount point above it, the last one where several are equal.
fn kind_of<'a>(mounts: &'a str, folder: &Path) -> Option<&'a str> {
    let mut best: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        // "36 35 98:0 /root /mount options [tags] - kind source options", see proc_pid_mountinfo(5).
        let (Some(mount), Some(kind)) = (
            line.split(' ').nth(4),
            line.split(" - ")
                .nth(1)
                .and_then(|rest| rest.split(' ').next()),
        ) else {
            continue;
        };
        let mount = mount.replace("\\040", " ");
        let is_above = folder.starts_with(&mount);
        if is_above && best.is_none_or(|(length, _)| mount.len() >= length) {
            best = Some((mount.len(), kind));
        }
    }
    best.map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
        30 22 0:40 / /srv/shared\\040data rw shared:1 - nfs4 host:/export rw\n\
        31 22 0:41 / /srv/tmp rw - tmpfs tmpfs rw\n";

    #[test]
    fn bytes_are_taken_beforehand_only_where_four_times_as_many_are_known_to_be_free() {
        assert!(may_fill(1_000, Some(4_000)));
        assert!(may_fill(1_000, Some(u64::MAX)));
        assert!(!may_fill(1_000, Some(3_999)));
        assert!(!may_fill(1_000, Some(0)));
        assert!(!may_fill(1_000, None));
        assert!(!may_fill(u64::MAX, Some(u64::MAX)));
    }

    #[test]
    fn the_longest_mount_above_a_folder_decides() {
        let kind = |path: &str| kind_of(MOUNTS, Path::new(path));
        assert_eq!(kind("/home/me"), Some("ext4"));
        assert_eq!(kind("/srv/shared data/day"), Some("nfs4"));
        assert_eq!(kind("/srv/tmp"), Some("tmpfs"));
        assert_eq!(kind("/srv/tmporary"), Some("ext4"));
    }
}

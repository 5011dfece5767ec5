//! The CPU quota of this process's cgroup: how much CPU time per period it and its neighbours there may use.
//!
//! A process is in one cgroup of each hierarchy (cgroups(7)): version 1 has a hierarchy for the controller `cpu`, often
//! shared with `cpuacct`; version 2 has a single one; a hybrid system has both, with the controller in either. A limit
//! binds everything below, so all ancestors are looked at, as far up as a mount shows them, and the tightest wins.
//!
//! ```text
//!  /proc/self/cgroup        4:cpu,cpuacct:/docker/af3/web           where we are
//!  /proc/self/mountinfo     … /docker/af3 /sys/fs/cgroup/cpu …      which part of the hierarchy is mounted where
//!  so these are read        /sys/fs/cgroup/cpu/web/cpu.cfs_quota_us
//!                           /sys/fs/cgroup/cpu/cpu.cfs_quota_us
//! ```
//!
//! Both files tell paths from the root of our cgroup namespace, so one above it begins with `/..`. From there up names
//! are not told, only how many there are.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use super::{read, read_bytes};

/// Returns how many CPUs the tightest quota allows, rounded up; `None` if none is found.
pub(super) fn cpus(root: &Path) -> Option<usize> {
    let groups = read_bytes(&root.join("proc/self/cgroup"))?;
    let groups: Vec<Group<'_>> = lines(&groups).filter_map(Group::parse).collect();
    let mounts = read_bytes(&root.join("proc/self/mountinfo"))?;
    let mounts = lines(&mounts).filter_map(Mount::parse);
    mounts.filter_map(|mount| groups.iter().filter_map(|group| mount.tightest(group, root)).min()).min()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hierarchy {
    /// The one of version 1 that has the controller `cpu`.
    Cpu,
    /// The one of version 2.
    Unified,
}

/// The cgroup that this process is in: a line of /proc/self/cgroup.
struct Group<'a> {
    hierarchy: Hierarchy,
    path: &'a Path,
}

impl Group<'_> {
    fn parse(line: &[u8]) -> Option<Group<'_>> {
        // hierarchy:controllers:path. Only the path may have colons, and nothing is escaped.
        let mut fields = line.splitn(3, |&byte| byte == b':');
        let hierarchy = match (fields.next()?, fields.next()?) {
            (b"0", b"") => Hierarchy::Unified,
            (_, controllers) if has_cpu(controllers) => Hierarchy::Cpu,
            _ => return None,
        };
        Some(Group { hierarchy, path: Path::new(OsStr::from_bytes(fields.next()?)) })
    }
}

/// A mounted part of a hierarchy: a line of /proc/self/mountinfo.
struct Mount {
    hierarchy: Hierarchy,
    /// The cgroup that is mounted, with all below it.
    top: PathBuf,
    point: PathBuf,
}

impl Mount {
    fn parse(line: &[u8]) -> Option<Mount> {
        // proc_pid_mountinfo(5): id, parent, device, top, point, options, optional fields, "-", type, source, options
        let mut fields = line.split(|&byte| byte == b' ');
        let (top, point) = (fields.nth(3).filter(|top| top.starts_with(b"/"))?, fields.next()?);
        fields.find(|field| field == b"-")?;
        let (kind, _source, options) = (fields.next()?, fields.next()?, fields.next()?);
        let hierarchy = match kind {
            b"cgroup2" => Hierarchy::Unified,
            b"cgroup" if has_cpu(options) => Hierarchy::Cpu,
            _ => return None,
        };
        Some(Mount { hierarchy, top: unescaped(top), point: unescaped(point) })
    }

    /// The tightest limit of `group` and of its ancestors that this mount shows.
    fn tightest(&self, group: &Group<'_>, root: &Path) -> Option<usize> {
        if group.hierarchy != self.hierarchy {
            return None;
        }
        let below = self.below_top(group.path)?;
        let point = root.join(self.point.strip_prefix("/").ok()?);
        below.ancestors().filter_map(|ancestor| self.hierarchy.limit(&point.join(ancestor))).min()
    }

    /// The way from the mounted cgroup down to `group`, as far as it is known; `None` if `group` is not below.
    fn below_top<'a>(&self, group: &'a Path) -> Option<&'a Path> {
        if let Ok(below) = group.strip_prefix(&self.top) {
            return (ups(below) == 0).then_some(below);
        }
        // The top is an ancestor of our namespace's root, further up than the group's path goes. The names between are
        // not told; the limit of the top itself binds us all the same.
        let only_up = self.top.components().count() == 1 + ups(&self.top);
        (only_up && ups(&self.top) > ups(group)).then_some(Path::new(""))
    }
}

impl Hierarchy {
    /// The limit that is set in one cgroup. What is no positive number (`max`, `-1`) is none.
    fn limit(self, directory: &Path) -> Option<usize> {
        let (quota, period) = match self {
            Hierarchy::Cpu => {
                (read(&directory.join("cpu.cfs_quota_us"))?, read(&directory.join("cpu.cfs_period_us"))?)
            }
            Hierarchy::Unified => {
                let both = read(&directory.join("cpu.max"))?;
                let (quota, period) = both.split_once(' ')?;
                (quota.into(), period.into())
            }
        };
        let microseconds = |text: &str| text.trim().parse().ok().filter(|&number: &u64| number > 0);
        usize::try_from(microseconds(&quota)?.div_ceil(microseconds(&period)?)).ok()
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|&byte| byte == b'\n')
}

fn has_cpu(controllers: &[u8]) -> bool {
    controllers.split(|&byte| byte == b',').any(|controller| controller == b"cpu")
}

/// How many steps up a path has.
fn ups(path: &Path) -> usize {
    path.components().filter(|component| *component == Component::ParentDir).count()
}

/// Undoes the escapes of a path in mountinfo: a backslash and three octal digits, such as `\040` for a blank.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [byte, after @ ..] = rest {
        let (byte, after) = match rest {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] => {
                ((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'), after)
            }
            _ => (*byte, after),
        };
        path.push(byte);
        rest = after;
    }
    OsString::from_vec(path).into()
}

//! What is made of masks, and of cgroups as systems and containers show them: trees of files that the tests write.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::io::Errno;

use super::*;

/// A directory that takes the place of `/`, and goes when it is dropped.
struct Tree(PathBuf);

impl Tree {
    fn new(files: &[(&str, &str)]) -> Tree {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("tarae-cpus-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let tree = Tree(std::env::temp_dir().join(name));
        files.iter().for_each(|(path, text)| tree.write(path, text.as_bytes()));
        tree
    }

    /// A process in `group` of a system with nothing but version 2.
    fn unified(group: &str, files: &[(&str, &str)]) -> Tree {
        let tree = Tree::new(files);
        tree.write(CGROUP, format!("0::{group}\n").as_bytes());
        tree.write(MOUNTINFO, UNIFIED.as_bytes());
        tree
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("room");
        fs::write(path, bytes).expect("room");
    }

    /// The workers of a thread that may run on `cpus` CPUs.
    fn workers(&self, cpus: usize) -> usize {
        workers(Ok(mask(cpus)), &self.0)
    }

    /// The workers of a thread whose mask is too long for the system call.
    fn workers_where_many_cpus_are_numbered(&self) -> usize {
        workers(Err(Errno::INVAL), &self.0)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // A tree without files was never made.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mask(cpus: usize) -> CpuSet {
    let mut mask = CpuSet::new();
    (0..cpus).for_each(|cpu| mask.set(cpu));
    mask
}

const CGROUP: &str = "proc/self/cgroup";
const MOUNTINFO: &str = "proc/self/mountinfo";

/// A system with nothing but version 2, and its root mounted at the usual place.
const UNIFIED: &str = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
24 22 0:22 / /proc rw,nosuid shared:13 - proc proc rw
30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 master:2 - cgroup2 cgroup2 rw,nsdelegate
";

/// Version 1, its root mounted where systemd does; `cpu` shares a hierarchy with `cpuacct`.
const SEPARATE: &str = "\
31 22 0:27 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755
32 31 0:28 / /sys/fs/cgroup/systemd rw shared:10 - cgroup cgroup rw,xattr,name=systemd
33 31 0:30 / /sys/fs/cgroup/cpuset rw shared:14 - cgroup cgroup rw,cpuset
34 31 0:31 / /sys/fs/cgroup/cpu,cpuacct rw shared:15 - cgroup cgroup rw,cpu,cpuacct
";

#[test]
fn a_quota_of_one_and_a_half_cpus_makes_two_workers() {
    let tree = Tree::unified("/shop.slice", &[("sys/fs/cgroup/shop.slice/cpu.max", "150000 100000\n")]);
    assert_eq!(tree.workers(8), 2);
}

#[test]
fn the_mask_wins_where_it_is_smaller_than_the_quota() {
    let tree = Tree::unified("/shop.slice", &[("sys/fs/cgroup/shop.slice/cpu.max", "600000 100000\n")]);
    assert_eq!(tree.workers(8), 6);
    assert_eq!(tree.workers(3), 3);
}

#[test]
fn a_quota_of_a_hundredth_makes_one_worker() {
    let tree = Tree::unified("/shop.slice", &[("sys/fs/cgroup/shop.slice/cpu.max", "1000 100000\n")]);
    assert_eq!(tree.workers(8), 1);
}

#[test]
fn the_tightest_of_a_cgroup_and_its_ancestors_wins() {
    let tree = |shop: &str, db: &str, query: &str| {
        Tree::unified(
            "/shop.slice/db.service/query",
            &[
                ("sys/fs/cgroup/shop.slice/cpu.max", shop),
                ("sys/fs/cgroup/shop.slice/db.service/cpu.max", db),
                ("sys/fs/cgroup/shop.slice/db.service/query/cpu.max", query),
            ],
        )
    };
    let (two, four, six, none) = ("100000 50000\n", "400000 100000\n", "300000 50000\n", "max 100000\n");
    assert_eq!(tree(two, four, six).workers(8), 2);
    assert_eq!(tree(six, two, four).workers(8), 2);
    assert_eq!(tree(six, four, two).workers(8), 2);
    assert_eq!(tree(six, none, none).workers(8), 6);
    assert_eq!(tree(none, none, none).workers(8), 8);
}

#[test]
fn neighbours_in_the_hierarchy_do_not_count() {
    let tree = Tree::unified(
        "/shop.slice",
        &[
            ("sys/fs/cgroup/shop.slice/db.service/cpu.max", "100000 100000\n"),
            ("sys/fs/cgroup/bank.slice/cpu.max", "100000 100000\n"),
        ],
    );
    assert_eq!(tree.workers(8), 8);
}

#[test]
fn version_1_has_quota_and_period_in_two_files() {
    let tree = |quota: &str, period: &str| {
        Tree::new(&[
            (CGROUP, "11:cpuset:/\n4:cpu,cpuacct:/shop\n1:name=systemd:/shop\n"),
            (MOUNTINFO, SEPARATE),
            ("sys/fs/cgroup/cpu,cpuacct/shop/cpu.cfs_quota_us", quota),
            ("sys/fs/cgroup/cpu,cpuacct/shop/cpu.cfs_period_us", period),
        ])
    };
    assert_eq!(tree("250000\n", "100000\n").workers(8), 3);
    assert_eq!(tree("40000\n", "10000\n").workers(8), 4);
    assert_eq!(tree("-1\n", "100000\n").workers(8), 8);
}

#[test]
fn a_container_of_version_1_sees_its_own_part_at_the_mount_point() {
    let mounts = "\
900 850 0:31 /docker/af3 /sys/fs/cgroup/cpu,cpuacct ro,nosuid master:15 - cgroup cgroup rw,cpuacct,cpu
901 850 0:30 /docker/af3 /sys/fs/cgroup/cpuset ro,nosuid master:14 - cgroup cgroup rw,cpuset
";
    let tree = |group: &str| {
        Tree::new(&[
            (CGROUP, &format!("11:cpuset:{group}\n4:cpuacct,cpu:{group}\n")),
            (MOUNTINFO, mounts),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "400000\n"),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/cpu,cpuacct/web/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpu,cpuacct/web/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/cpu,cpuacct/web/form/cpu.cfs_quota_us", "150000\n"),
            ("sys/fs/cgroup/cpu,cpuacct/web/form/cpu.cfs_period_us", "100000\n"),
        ])
    };
    assert_eq!(tree("/docker/af3").workers(8), 4);
    assert_eq!(tree("/docker/af3/web").workers(8), 4);
    assert_eq!(tree("/docker/af3/web/form").workers(8), 2);
    assert_eq!(tree("/docker/af33").workers(8), 8, "a neighbour whose name begins alike");
    assert_eq!(tree("/").workers(8), 8, "above what is mounted");
}

#[test]
fn a_hybrid_system_has_the_controller_in_either_version() {
    let mounts = format!("{SEPARATE}40 31 0:38 / /sys/fs/cgroup/unified rw shared:11 - cgroup2 cgroup2 rw\n");
    let groups = "4:cpu,cpuacct:/one\n1:name=systemd:/two\n0::/two\n";
    let tree = Tree::new(&[(CGROUP, groups), (MOUNTINFO, &mounts)]);
    assert_eq!(tree.workers(8), 8);
    tree.write("sys/fs/cgroup/unified/two/cpu.max", b"500000 100000\n");
    assert_eq!(tree.workers(8), 5);
    tree.write("sys/fs/cgroup/cpu,cpuacct/one/cpu.cfs_quota_us", b"300000\n");
    tree.write("sys/fs/cgroup/cpu,cpuacct/one/cpu.cfs_period_us", b"100000\n");
    assert_eq!(tree.workers(8), 3);
    // Each version's path is good for its own mounts only.
    tree.write("sys/fs/cgroup/unified/one/cpu.max", b"100000 100000\n");
    tree.write("sys/fs/cgroup/cpu,cpuacct/two/cpu.cfs_quota_us", b"100000\n");
    tree.write("sys/fs/cgroup/cpu,cpuacct/two/cpu.cfs_period_us", b"100000\n");
    // Nor do controllers count that only look like `cpu`.
    tree.write("sys/fs/cgroup/cpuset/one/cpu.cfs_quota_us", b"100000\n");
    tree.write("sys/fs/cgroup/cpuset/one/cpu.cfs_period_us", b"100000\n");
    assert_eq!(tree.workers(8), 3);
}

#[test]
fn names_may_be_strange() {
    let mounts = r"30 22 0:26 / /mnt/my\040own\011\134groups rw - cgroup2 none rw";
    let tree = Tree::new(&[
        (CGROUP, "0::/a: b, c\n"),
        (MOUNTINFO, mounts),
        ("mnt/my own\t\\groups/a: b, c/cpu.max", "200000 100000\n"),
    ]);
    assert_eq!(tree.workers(8), 2);
}

#[test]
fn a_path_that_is_no_text_is_followed() {
    let tree = Tree::new(&[(MOUNTINFO, UNIFIED)]);
    tree.write(CGROUP, b"0::/a\xffb\n");
    let group = tree.0.join("sys/fs/cgroup").join(OsStr::from_bytes(b"a\xffb"));
    fs::create_dir_all(&group).expect("room");
    fs::write(group.join("cpu.max"), "300000 100000\n").expect("room");
    assert_eq!(tree.workers(8), 3);
}

#[test]
fn the_root_of_a_namespace_is_where_the_mount_begins() {
    let tree = Tree::unified("/", &[("sys/fs/cgroup/cpu.max", "300000 100000\n")]);
    assert_eq!(tree.workers(8), 3);
}

#[test]
fn a_mount_from_above_the_namespace_binds_by_its_top() {
    let mounts = "30 22 0:26 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    let tree = |group: &str| {
        Tree::new(&[
            (CGROUP, &format!("0::{group}\n")),
            (MOUNTINFO, mounts),
            ("sys/fs/cgroup/cpu.max", "400000 100000\n"),
            ("sys/fs/cgroup/shop/cpu.max", "100000 100000\n"),
        ])
    };
    // Which of its children we are below is not told.
    assert_eq!(tree("/").workers(8), 4);
    assert_eq!(tree("/shop").workers(8), 4);
    assert_eq!(tree("/../shop").workers(8), 4);
    // From the top down by name: that is told.
    assert_eq!(tree("/../../shop").workers(8), 1);
    assert_eq!(tree("/../../../shop").workers(8), 8);
}

#[test]
fn a_process_outside_of_its_namespace_is_not_bound_by_what_is_mounted_there() {
    let tree = Tree::unified(
        "/../shop",
        &[
            ("sys/fs/cgroup/cpu.max", "100000 100000\n"),
            ("sys/fs/cgroup/shop/cpu.max", "100000 100000\n"),
            ("sys/fs/shop/cpu.max", "100000 100000\n"),
        ],
    );
    assert_eq!(tree.workers(8), 8);
}

#[test]
fn a_mount_from_beside_the_namespace_does_not_bind() {
    let mounts = "30 22 0:26 /../../bank /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    for group in ["0::/\n", "0::/../bank\n", "0::/../../shop\n"] {
        let max = ("sys/fs/cgroup/cpu.max", "100000 100000\n");
        assert_eq!(Tree::new(&[(CGROUP, group), (MOUNTINFO, mounts), max]).workers(8), 8, "{group}");
    }
}

#[test]
fn of_several_mounts_all_count() {
    let mounts = "\
30 22 0:26 / /host rw - cgroup2 cgroup2 rw
31 22 0:26 /pod/a /sys/fs/cgroup rw - cgroup2 cgroup2 rw
32 22 0:26 /pod/b /other rw - cgroup2 cgroup2 rw
";
    let tree = Tree::new(&[
        (CGROUP, "0::/pod/a\n"),
        (MOUNTINFO, mounts),
        ("host/pod/cpu.max", "300000 100000\n"),
        ("sys/fs/cgroup/cpu.max", "500000 100000\n"),
        ("other/cpu.max", "100000 100000\n"),
    ]);
    assert_eq!(tree.workers(8), 3);
}

#[test]
fn a_quota_that_makes_no_sense_is_none() {
    let senseless = "|\n| |max|max 100000|150000|150000 |0 100000|150000 0|-1 100000|1e5 100000|150000 max|150000\t100000\
        |99999999999999999999 100000|\u{fffd}|\0\0\0\0";
    for text in senseless.split('|') {
        let tree = Tree::unified("/shop.slice", &[("sys/fs/cgroup/shop.slice/cpu.max", text)]);
        assert_eq!(tree.workers(8), 8, "{text:?}");
    }
    for (quota, period) in [("100000", ""), ("", "100000"), ("100000", "0"), ("0", "100000"), ("max", "-1")] {
        let tree = Tree::new(&[
            (CGROUP, "4:cpu:/\n"),
            (MOUNTINFO, SEPARATE),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", quota),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", period),
        ]);
        assert_eq!(tree.workers(8), 8, "{quota:?} {period:?}");
    }
}

#[test]
fn files_that_make_no_sense_limit_nothing() {
    let groups = "|\n\n\n|:|::|0:|0::|0::\n|0::shop|4:cpu|4:cpu:| |-|- - - - - - - - -|\u{fffd}\0\u{1}";
    let mounts = r"30 22 0:26 / /sys/fs/cgroup rw|30 22 0:26 / /sys/fs/cgroup rw -
        |30 22 0:26 / /sys/fs/cgroup rw - cgroup2|30 22 0:26   rw - cgroup2 cgroup2 rw
        |30 22 0:26 / sys/fs/cgroup rw - cgroup2 cgroup2 rw|30 22 0:26 sys sys rw - cgroup2 cgroup2 rw
        |30 22 0:26 / /sys/fs/cgroup\04 rw - cgroup2 cgroup2 rw|30 22 0:26 / /sys\777 rw - cgroup2 cgroup2 rw
        |30 22 0:26 / \ rw - cgroup2 cgroup2 rw";
    let of_groups = groups.split('|').map(|text| (text, UNIFIED));
    let of_mounts = groups.split('|').chain(mounts.split('|')).map(|text| ("0::/", text.trim()));
    for (groups, mounts) in of_groups.chain(of_mounts) {
        let tree = Tree::new(&[
            (CGROUP, groups),
            (MOUNTINFO, mounts),
            ("sys/fs/cgroup/shop/cpu.max", "100000 100000\n"),
            ("sys/fs/cgroup/cpu.max", "100000 100000\n"),
            ("cpu.max", "100000 100000\n"),
        ]);
        assert_eq!(tree.workers(8), 8, "{groups:?} {mounts:?}");
    }
}

#[test]
fn nothing_is_read_elsewhere() {
    let top_without_slash = "30 22 0:26  /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    let tree = Tree::new(&[(MOUNTINFO, top_without_slash), ("cpu.max", "100000 100000\n")]);
    tree.write(CGROUP, format!("0::{}\n", tree.0.display()).as_bytes());
    assert_eq!(tree.workers(8), 8);
}

#[test]
fn files_that_are_missing_limit_nothing() {
    assert_eq!(Tree::new(&[]).workers(8), 8);
    assert_eq!(Tree::new(&[(CGROUP, "0::/\n")]).workers(8), 8);
    assert_eq!(Tree::new(&[(MOUNTINFO, UNIFIED)]).workers(8), 8);
    assert_eq!(Tree::unified("/", &[]).workers(8), 8);
    // A directory opens, and cannot be read.
    let tree = Tree::unified("/", &[("sys/fs/cgroup/cpu.max/file", "")]);
    assert_eq!(tree.workers(8), 8);
}

#[test]
fn only_the_beginning_of_an_endless_file_is_read() {
    let tree = Tree::new(&[(CGROUP, "0::/\n"), ("sys/fs/cgroup/cpu.max", "300000 100000\n")]);
    std::os::unix::fs::symlink("/dev/zero", tree.0.join(MOUNTINFO)).expect("room");
    assert_eq!(tree.workers(8), 8);
    assert_eq!(read_bytes(&tree.0.join(MOUNTINFO)).map(|bytes| bytes.len()), Some(1 << 20));
}

#[test]
fn an_empty_mask_is_no_mask() {
    let tree = Tree::new(&[("proc/thread-self/status", "Cpus_allowed_list:\t0-2\n")]);
    assert_eq!(tree.workers(0), 3);
}

#[test]
fn a_mask_too_long_for_the_call_is_read_as_a_list() {
    let tree = |allowed: &str, online: &str| {
        let status =
            format!("Name:\ttarae\nCpus_allowed:\tff\nCpus_allowed_list:\t{allowed}\nMems_allowed:\t1\n");
        Tree::new(&[("proc/thread-self/status", &status), ("sys/devices/system/cpu/online", online)])
    };
    assert_eq!(tree("5,1500-1502", "0-2047\n").workers_where_many_cpus_are_numbered(), 4);
    assert_eq!(tree("5,1500-1502", "0-1499,1502\n").workers_where_many_cpus_are_numbered(), 2);
    assert_eq!(tree("5,1500-1502", "nonsense").workers_where_many_cpus_are_numbered(), 4);
    assert_eq!(tree("0-8191", "0-2047\n").workers_where_many_cpus_are_numbered(), 1024);
}

#[test]
fn the_quota_holds_whatever_the_mask() {
    let tree = Tree::new(&[
        ("proc/thread-self/status", "Cpus_allowed_list:\t0-2047\n"),
        (CGROUP, "0::/\n"),
        (MOUNTINFO, UNIFIED),
        ("sys/fs/cgroup/cpu.max", "300000 100000\n"),
    ]);
    assert_eq!(tree.workers_where_many_cpus_are_numbered(), 3);
}

#[test]
fn without_mask_and_list_std_is_asked() {
    let asked = available_parallelism().map_or(1, usize::from).min(1024);
    assert_eq!(Tree::new(&[]).workers_where_many_cpus_are_numbered(), asked);
    for list in ["", "x", "3-", "-3", "1,,2", "2,1", "1,1", "5-3", "0-3,2-7", "0-65536", "1-2-3", "0x3"] {
        let tree = Tree::new(&[("proc/thread-self/status", &format!("Cpus_allowed_list:\t{list}\n"))]);
        assert_eq!(tree.workers_where_many_cpus_are_numbered(), asked, "{list:?}");
    }
}

#[test]
fn the_list_of_this_thread_agrees_with_its_mask() {
    let counted = sched_getaffinity(None).map(|mask| mask.count() as usize);
    match (counted, listed(Path::new("/"))) {
        (Ok(counted), Some(listed)) => assert_eq!(listed, counted),
        other => eprintln!("skipped: this machine does not say both: {other:?}"),
    }
}

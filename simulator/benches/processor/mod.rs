//! The share of a processor that Lambda gives a function.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

/// A function with so much memory has a whole virtual processor, one with less a share of it (Lambda developer guide, memory).
pub(crate) const MEGABYTES_OF_A_PROCESSOR: f64 = 1_769.0;
/// The least that Lambda gives.
pub(crate) const LEAST_MEMORY_MB: f64 = 128.0;
/// AWS publishes none. A short one is the harder for short work, for it leaves little to spend at once.
const QUOTA_PERIOD: Duration = Duration::from_millis(20);

/// A control group of our own with a processor quota, of version 1 or 2.
pub(crate) struct Cgroup(PathBuf);

impl Cgroup {
    pub(crate) fn new(name: &str, quota: f64) -> io::Result<Cgroup> {
        let period = QUOTA_PERIOD.as_micros();
        let microseconds = QUOTA_PERIOD.mul_f64(quota).as_micros();
        let name = format!("{name}-{}", std::process::id());
        let first = Path::new("/sys/fs/cgroup/cpu");
        if first.join("cpu.cfs_quota_us").exists() || first.join("tasks").exists() {
            let group = Cgroup(first.join(name));
            fs::create_dir(&group.0)?;
            fs::write(group.0.join("cpu.cfs_period_us"), period.to_string())?;
            fs::write(group.0.join("cpu.cfs_quota_us"), microseconds.to_string())?;
            return Ok(group);
        }
        let group = Cgroup(Path::new("/sys/fs/cgroup").join(name));
        fs::create_dir(&group.0)?;
        fs::write(group.0.join("cpu.max"), format!("{microseconds} {period}"))?;
        Ok(group)
    }

    pub(crate) fn add(&self, process: u32) -> io::Result<()> {
        fs::write(self.0.join("cgroup.procs"), process.to_string())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Its processes are gone by now; one that lingers keeps an empty group, which does no harm.
        let _gone = fs::remove_dir(&self.0);
    }
}

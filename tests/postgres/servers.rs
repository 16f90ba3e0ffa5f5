//! Throwaway servers, by `servers.sh`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use tokio::task::{block_in_place, spawn_blocking};

static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// A number that nothing else in this process has.
pub fn number() -> usize {
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

/// A server that ends with this value.
pub struct Pg {
    pub major: u32,
    pub port: u16,
    pub password: String,
    pub log: PathBuf,
    dir: PathBuf,
}

/// The versions of this run, and which of them is the distribution's own.
pub fn versions() -> (Vec<u32>, u32) {
    let said = script(&["versions"]);
    let major = |line: &str| {
        line.split(' ')
            .next()
            .and_then(|text| text.parse().ok())
            .expect("a version")
    };
    let distribution = said.lines().find(|line| line.ends_with("distribution"));
    let versions: Vec<u32> = said.lines().map(major).collect();
    let newest = versions.last().copied().expect("a version");
    (versions, distribution.map_or(newest, major))
}

fn script(arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postgres/servers.sh");
    let output = Command::new(script).args(arguments).output().expect("servers.sh");
    assert!(
        output.status.success(),
        "servers.sh {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The folder of the servers' data: in memory where there is room. Databases come and go by thousands of files, which costs a disk's file system more than the
/// servers' own work.
static PLACE: LazyLock<PathBuf> = LazyLock::new(|| {
    const ENOUGH_KIB: u64 = 2 << 20;
    let free = || {
        let output = Command::new("df").args(["--output=avail", "/dev/shm"]).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().nth(1)?.trim().parse::<u64>().ok()
    };
    match free() {
        Some(free) if free > ENOUGH_KIB => "/dev/shm".into(),
        _ => std::env::temp_dir(),
    }
});

const PREFIX: &str = "tenant-operator-pg-";

/// Ends the servers of runs that were killed: their data would stay in memory.
pub fn sweep() {
    for entry in PLACE.read_dir().into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            script(&["stop", &entry.path().to_string_lossy()]);
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

impl Pg {
    /// A server of this version.
    pub async fn start(major: u32) -> Arc<Self> {
        let start = move || {
            let name = format!("{PREFIX}{}-{major}-{}", std::process::id(), number());
            Self::start_in(major, PLACE.join(name))
        };
        Arc::new(spawn_blocking(start).await.expect("a server"))
    }

    fn start_in(major: u32, dir: PathBuf) -> Self {
        let said = script(&["start", &major.to_string(), &dir.to_string_lossy()]);
        let value = |key: &str| {
            let line = said.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.unwrap_or_else(|| panic!("servers.sh says no {key}")).to_string()
        };
        let password = std::fs::read_to_string(value("PASSWORD_FILE")).expect("password");
        Self {
            major,
            port: value("PORT").parse().expect("port"),
            password: password.trim().to_string(),
            log: value("LOG").into(),
            dir,
        }
    }

    /// Ends the server; its data stays.
    pub fn stop(&self) {
        block_in_place(|| script(&["stop", &self.dir.to_string_lossy()]));
    }

    /// Starts it again, with the same data on the same port.
    pub fn start_again(&self) {
        block_in_place(|| script(&["start", &self.major.to_string(), &self.dir.to_string_lossy()]));
    }

    /// Returns its log.
    pub fn logged(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).expect("log")).into_owned()
    }

    /// The process that all others of the server come from.
    pub fn pid(&self) -> String {
        let text = std::fs::read_to_string(self.data().join("postmaster.pid")).expect("pid file");
        text.lines().next().expect("pid").to_string()
    }

    /// Returns the folder of its data.
    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }
}

impl Drop for Pg {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

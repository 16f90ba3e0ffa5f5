//! Throwaway servers, by `servers.sh`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A server that ends with this value.
pub struct Pg {
    pub major: u32,
    pub port: u16,
    pub password: String,
    pub log: PathBuf,
    dir: PathBuf,
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

impl Pg {
    /// A server of this version, of its own directory.
    pub fn start(major: u32, suffix: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("tenant-operator-pg-{}-{major}{suffix}", std::process::id()));
        Self::start_in(major, dir)
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
        script(&["stop", &self.dir.to_string_lossy()]);
    }

    /// Starts it again, with the same data on the same port.
    pub fn start_again(&self) {
        script(&["start", &self.major.to_string(), &self.dir.to_string_lossy()]);
    }

    /// The process that all others of the server come from.
    pub fn pid(&self) -> String {
        let text = std::fs::read_to_string(self.data().join("postmaster.pid")).expect("pid file");
        text.lines().next().expect("pid").to_string()
    }

    /// Where its data is.
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

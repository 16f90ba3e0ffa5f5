//! Targets of a probe, and its report.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The kind of a target.
#[derive(ValueEnum, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
pub enum TargetKind {
    /// A probe that listens in another tenant's namespace.
    Neighbour,
    /// The operator's own pod.
    Operator,
    /// The API server, where the tenant's pods are not let to it.
    ApiServer,
    /// The kubelet of the node that the pod is on.
    Kubelet,
    /// The address at which clouds tell a machine its credentials.
    Metadata,
    /// An address outside of the cluster that the platform named.
    External,
    /// A shared application that the tenant's tier does not open.
    Application,
}

impl TargetKind {
    /// Its name in settings and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Neighbour => "neighbour",
            Self::Operator => "operator",
            Self::ApiServer => "api-server",
            Self::Kubelet => "kubelet",
            Self::Metadata => "metadata",
            Self::External => "external",
            Self::Application => "application",
        }
    }
}

/// The way to dial a target.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    Tcp,
    Udp,
}

impl Transport {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// One thing to dial. As text: `neighbour,tcp,10.0.0.1:7007`; an IPv6 address needs no brackets.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(try_from = "String", into = "String")]
pub struct Target {
    pub kind: TargetKind,
    pub transport: Transport,
    pub host: String,
    pub port: u16,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, transport) = (self.kind.as_str(), self.transport.as_str());
        write!(f, "{kind},{transport},{}:{}", self.host, self.port)
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text} is not of the form KIND,tcp|udp,ADDRESS:PORT");
        let mut parts = text.splitn(3, ',');
        let mut next = || parts.next().ok_or_else(wrong);
        let kind = TargetKind::from_str(next()?, false).map_err(|_| wrong())?;
        let transport = match next()? {
            "tcp" => Transport::Tcp,
            "udp" => Transport::Udp,
            _ => return Err(wrong()),
        };
        let (host, port) = next()?.rsplit_once(':').ok_or_else(wrong)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(wrong());
        }
        Ok(Self {
            kind,
            transport,
            host: host.to_string(),
            port: port.parse().map_err(|_| wrong())?,
        })
    }
}

impl TryFrom<String> for Target {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

/// The findings of a probe.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct DialReport {
    /// Targets that every pod must reach and this one did not: then its silence elsewhere proves nothing.
    pub unreached: Vec<String>,
    /// Dialled targets that did not answer.
    pub closed: Vec<Target>,
    /// Targets that answered to the end.
    pub open: Vec<Target>,
    /// Raw sockets that could be opened.
    pub raw_sockets: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_as_they_are_written() {
        for text in ["neighbour,tcp,10.0.0.1:7007", "api-server,udp,fd00::1:443"] {
            assert_eq!(text.parse::<Target>().expect(text).to_string(), text);
        }
        let bracketed: Target = "kubelet,tcp,[fd00::1]:10250".parse().expect("brackets");
        assert_eq!((bracketed.host.as_str(), bracketed.port), ("fd00::1", 10250));
        for wrong in [
            "",
            "tcp",
            "neighbour,tcp,10.0.0.1",
            "neighbour,icmp,10.0.0.1:1",
            "friend,tcp,a:1",
            "kubelet,tcp,:1",
            "kubelet,tcp,a:x",
        ] {
            let said = wrong.parse::<Target>().expect_err(wrong);
            assert!(said.contains("KIND,tcp|udp,ADDRESS:PORT"), "{said}");
        }
    }
}

//! A probe that dials its targets, and those that every pod must reach.

use super::target::{DialReport, Target, TargetKind, Transport};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, sleep, timeout};

/// The timeout of an answer.
const ANSWER: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(500);
/// The file that names a pod's resolvers.
const RESOLVERS: &str = "/etc/resolv.conf";

/// Dials all targets at the same time, between two looks at those that every pod must reach. Within `settle` those may still become reachable, and the others
/// closed: network plugins learn of a new pod while it is already running.
pub async fn dial(targets: Vec<Target>, settle: Duration) -> DialReport {
    let resolver = resolver(Path::new(RESOLVERS)).await;
    let settled = Instant::now() + settle;
    let mut report = DialReport {
        raw_sockets: raw_sockets(),
        unreached: unreached(resolver, settled).await,
        ..DialReport::default()
    };
    if !report.unreached.is_empty() {
        return report;
    }
    let dialled = futures::future::join_all(targets.iter().map(|target| is_open(target, settled))).await;
    for (target, open) in targets.into_iter().zip(dialled) {
        let list = if open { &mut report.open } else { &mut report.closed };
        list.push(target);
    }
    report.unreached = unreached(resolver, Instant::now() + ANSWER).await;
    report
}

/// The raw sockets that this process can open. With one it sends packets from any address.
fn raw_sockets() -> Vec<String> {
    /// `AF_PACKET`, which not every system has, and `IPPROTO_RAW`.
    const PACKET: i32 = 17;
    const RAW: i32 = 255;
    let kinds = [
        ("IPv4", Domain::IPV4, RAW),
        ("IPv6", Domain::IPV6, RAW),
        ("packet", Domain::from(PACKET), 0),
    ];
    let opens = |(_, domain, protocol): &(&str, Domain, i32)| {
        Socket::new(*domain, Type::RAW, Some(Protocol::from(*protocol))).is_ok()
    };
    kinds.into_iter().filter(opens).map(|(name, ..)| name.into()).collect()
}

/// The first name server of a resolv.conf.
async fn resolver(path: &Path) -> Option<SocketAddr> {
    let text = tokio::fs::read_to_string(path).await.ok()?;
    let mut servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    let address: IpAddr = servers.find_map(|server| server.trim().parse().ok())?;
    Some((address, 53).into())
}

/// Returns the ways to the cluster's DNS that stay closed until then.
async fn unreached(resolver: Option<SocketAddr>, until: Instant) -> Vec<String> {
    let Some(resolver) = resolver else {
        return vec![format!("{RESOLVERS} names no DNS server")];
    };
    let ways = [("udp", true), ("tcp", false)].map(|(name, udp)| async move {
        loop {
            let reached = match udp {
                true => asks(resolver, &query()).await,
                false => timeout(ANSWER, TcpStream::connect(resolver))
                    .await
                    .is_ok_and(|done| done.is_ok()),
            };
            if reached {
                return None;
            }
            if Instant::now() >= until {
                return Some(format!("the cluster's DNS ({name} {resolver})"));
            }
            sleep(PAUSE).await;
        }
    });
    futures::future::join_all(ways).await.into_iter().flatten().collect()
}

/// Returns true where the target still answers after the time to settle.
async fn is_open(target: &Target, until: Instant) -> bool {
    let mut closed = 0;
    loop {
        closed = if answers(target).await { 0 } else { closed + 1 };
        // Once could be a lost packet.
        if closed == 2 {
            return false;
        }
        if closed == 0 && Instant::now() >= until {
            return true;
        }
        sleep(PAUSE).await;
    }
}

async fn answers(target: &Target) -> bool {
    let Ok(ip) = target.host.parse::<IpAddr>() else {
        return false;
    };
    let (to, question) = (SocketAddr::from((ip, target.port)), fastrand::u64(..).to_be_bytes());
    match target.transport {
        Transport::Udp => asks(to, &question).await,
        Transport::Tcp => {
            let echoes = target.kind == TargetKind::Neighbour;
            let done = timeout(ANSWER, async {
                let mut stream = TcpStream::connect(to).await?;
                if echoes {
                    // A proxy beside the pod answers in place of its target.
                    stream.write_all(&question).await?;
                    let mut heard = [0; 8];
                    stream.read_exact(&mut heard).await?;
                }
                std::io::Result::Ok(())
            });
            done.await.is_ok_and(|done| done.is_ok())
        }
    }
}

/// Returns true where any answer comes back.
async fn asks(to: SocketAddr, question: &[u8]) -> bool {
    let from: SocketAddr = match to.is_ipv4() {
        true => ([0, 0, 0, 0], 0).into(),
        false => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let asked = async {
        let socket = UdpSocket::bind(from).await?;
        socket.connect(to).await?;
        socket.send(question).await?;
        socket.recv(&mut [0; 512]).await
    };
    timeout(ANSWER, asked).await.is_ok_and(|done| done.is_ok())
}

/// Returns a query for the address of `kubernetes.default.svc` (RFC 1035, 4.1); any answer will do, even a refusal.
fn query() -> Vec<u8> {
    let mut query = fastrand::u16(..).to_be_bytes().to_vec();
    // Recursion desired; one question.
    query.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in ["kubernetes", "default", "svc"] {
        query.push(u8::try_from(label.len()).unwrap_or_default());
        query.extend(label.bytes());
    }
    // The end of the name; type A; class IN.
    query.extend([0, 0, 1, 0, 1]);
    query
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of CAP_NET_RAW in capabilities(7).
    const NET_RAW: u32 = 13;

    #[test]
    fn raw_sockets_are_opened_by_those_who_may() {
        let status = std::fs::read_to_string("/proc/thread-self/status").expect("Linux");
        let effective = status
            .lines()
            .find_map(|line| line.strip_prefix("CapEff:"))
            .expect("capabilities");
        let effective = u64::from_str_radix(effective.trim(), 16).expect("a number");
        let opened = raw_sockets();
        assert_eq!(!opened.is_empty(), effective >> NET_RAW & 1 == 1, "{opened:?}");
    }
}

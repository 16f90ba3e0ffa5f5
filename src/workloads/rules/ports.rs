//! Ports of the container, which are those of the Service too.

use super::Faults;
use crate::api::Workload;
use crate::syntax::port_name;

pub fn check(workload: &Workload, faults: &mut Faults) {
    let ports: Vec<_> = workload.ports.iter().flatten().collect();
    for (i, port) in ports.iter().enumerate() {
        let at = format!(".ports[{i}]");
        faults.name(format!("{at}.name"), &port.name, port_name);
        if !(1..=65_535).contains(&port.container_port) {
            faults.say(format!("{at}.containerPort"), "must be between 1 and 65535");
        }
        let before = || ports[..i].iter();
        if before().any(|other| other.name == port.name) {
            faults.say(format!("{at}.name"), format!("{:.80} is there twice", port.name));
        }
        let protocol = port.protocol.unwrap_or_default();
        let same = before().find(|other| {
            other.container_port == port.container_port && other.protocol.unwrap_or_default() == protocol
        });
        if let Some(same) = same {
            let message = format!(
                "{} {} is also the port {:.80}: a Service has each number once for a protocol",
                protocol.as_str(),
                port.container_port,
                same.name
            );
            faults.say(format!("{at}.containerPort"), message);
        }
    }
}

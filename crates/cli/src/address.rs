//! Where the server is reached.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

use anyhow::Context as _;

/// Listens, or says in one sentence why that cannot be.
///
/// # Errors
/// When the port is taken, not allowed, or the address not this machine's.
pub fn listen(address: IpAddr, port: u16) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::new(address, port);
    let listener = TcpListener::bind(address).with_context(|| format!("Cannot listen on {address}")).map_err(
        |error| match error.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
            Some(ErrorKind::AddrInUse) => error_with_next_step(
                address,
                "another program uses the port; stop it, or take another port with --secure-port (0 for any free one)",
            ),
            Some(ErrorKind::AddrNotAvailable) => error_with_next_step(
                address,
                "this machine does not have that address; give one of its own with --bind-address, or 0.0.0.0 for all",
            ),
            _ => error,
        },
    )?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The same for the API of the node on this machine.
///
/// # Errors
/// As [`listen`].
pub fn listen_for_node(address: IpAddr, port: u16) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::new(address, port);
    let listener = TcpListener::bind(address).with_context(|| format!("Cannot listen on {address}")).map_err(
        |error| match error.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
            Some(ErrorKind::AddrInUse) => error_with_next_step(
                address,
                "another program, perhaps a kubelet, uses the node's port; stop it, or take another port with \
                 --node-port (--port for `strongroom node`; 0 for any free one)",
            ),
            Some(ErrorKind::AddrNotAvailable) => error_with_next_step(
                address,
                "this machine does not have that address; give one of its own with --node-ip",
            ),
            _ => error,
        },
    )?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn error_with_next_step(address: SocketAddr, next: &str) -> anyhow::Error {
    anyhow::anyhow!("Cannot listen on {address}: {next}.")
}

/// The address clients are told: what was asked for, else where the server listens, else (listening
/// everywhere) the machine's own address.
pub fn advertised(asked: Option<IpAddr>, bind: IpAddr) -> IpAddr {
    asked.unwrap_or(if bind.is_unspecified() {
        own_address(bind)
    } else {
        bind
    })
}

/// The address for the administrator's kubeconfig on this machine.
pub fn local(asked: Option<IpAddr>, bind: IpAddr) -> IpAddr {
    asked.unwrap_or(match bind {
        IpAddr::V4(bind) if bind.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(bind) if bind.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        bind => bind,
    })
}

/// The machine's address on its way to the rest of the world. Connecting a datagram socket sends
/// nothing, it only looks up the route; the targets are addresses reserved for documentation.
fn own_address(bind: IpAddr) -> IpAddr {
    let target = match bind {
        IpAddr::V4(_) => SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 9)),
        IpAddr::V6(_) => SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9)),
    };
    let routed = UdpSocket::bind(SocketAddr::new(bind, 0))
        .and_then(|socket| socket.connect(target).and_then(|()| socket.local_addr()));
    match routed {
        Ok(address) if !address.ip().is_unspecified() => address.ip(),
        _ => local(None, bind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_an_address_they_can_reach() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let cases = [
            (None, "127.0.0.1", "127.0.0.1"),
            (None, "192.0.2.9", "192.0.2.9"),
            (None, "0.0.0.0", "127.0.0.1"),
            (None, "::", "::1"),
            (Some("198.51.100.1"), "0.0.0.0", "198.51.100.1"),
        ];
        for (asked, bind, expected) in cases {
            let asked = asked.map(ip);
            assert_eq!(local(asked, ip(bind)), ip(expected));
            assert!(!advertised(asked, ip(bind)).is_unspecified());
        }
    }

    #[test]
    fn a_taken_port_is_explained() {
        let holder = listen(ip_loopback(), 0).unwrap();
        let port = holder.local_addr().unwrap().port();
        let refusal = listen(ip_loopback(), port).unwrap_err().to_string();
        assert!(refusal.contains("--secure-port"), "{refusal}");
    }

    fn ip_loopback() -> IpAddr {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    }
}

//! Who comes from outside: another network, with a cable to the machine.

use crate::node::Node;

/// The other end of the cable; addresses for documentation (RFC 5737, RFC 3849).
const CABLE: &str = "
    ip netns list | grep -q outside || {
        ip netns add outside
        ip link add outer netns outside type veth peer name inner
        ip addr add 192.0.2.1/24 dev inner
        ip addr add 2001:db8::1/64 dev inner nodad
        ip link set inner up
        ip -n outside addr add 192.0.2.2/24 dev outer
        ip -n outside addr add 2001:db8::2/64 dev outer nodad
        ip -n outside link set outer up
    }
";

/// Three ports, of all that there are.
pub fn reaches_three_ports(node: &Node) {
    node.run(CABLE);
    let scan = "nmap -n -Pn -sS -p- --open --min-rate 20000 --max-retries 1 -oG -";
    let ports = |of: &str| {
        let told = node.run(of);
        let ports = told.split("Ports: ").nth(1).unwrap_or_default();
        let ports = ports.split(", ").filter_map(|port| port.split('/').next()?.parse::<u16>().ok());
        ports.collect::<Vec<_>>()
    };
    assert_eq!(ports(&format!("ip netns exec outside {scan} 192.0.2.1")), [22, 80, 443]);
    assert_eq!(ports(&format!("ip netns exec outside {scan} -6 2001:db8::1")), [22, 80, 443]);
    // It finds what there is: more is reached from inside.
    let inside = ports(&format!("{scan} 127.0.0.1"));
    assert!(inside.contains(&5050) && inside.contains(&22), "{inside:?}");
    // Nor does anything but names listen for datagrams, and for this machine only.
    let datagrams = node.run("ss --listening --numeric --udp --no-header | awk '{ print $4 }'");
    let is_outside = |address: &&str| !address.starts_with("127.");
    assert_eq!(datagrams.lines().find(is_outside), None, "{datagrams}");
}

/// From port 80, to the name that the node has.
pub fn is_sent_to_tls(node: &Node) {
    node.run(CABLE);
    let told = node.run(
        "ip netns exec outside curl --silent --output /dev/null --write-out '%{http_code} %{redirect_url}' \
             http://192.0.2.1/web?debug=1",
    );
    assert_eq!(told, "301 https://localhost/web?debug=1");
}

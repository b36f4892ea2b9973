//! DICOM over the network: who may call, what is answered, what hostile peers cannot do.

mod common;

use common::Scene;
use common::dimse::{Link, No, storing, verification};
use common::node::{Node, config};
use dicom_io::net::command::Status;
use dicom_io::net::pdu::Rejection;

/// A node that `SENDER` may store to from this machine.
const SENDER: &str = r#"
[dicom]
listen = "127.0.0.1:0"

[http]
listen = "127.0.0.1:0"

[[peer]]
name = "scanner"
ae_title = "SENDER"
addresses = ["127.0.0.1"]

[[peer]]
name = "elsewhere"
ae_title = "ELSEWHERE"
addresses = ["192.0.2.0/24"]

[[peer]]
name = "careful"
ae_title = "CAREFUL"
addresses = ["127.0.0.1"]
tls = true
"#;

#[test]
fn who_is_not_on_the_list_is_told_so_and_the_log_says_why() {
    let scene = Scene::new();
    let node = Node::start(&scene, &config(&scene, SENDER));
    for (calling, called, rejection, why) in [
        ("STRANGER", "FOCI", Rejection::CALLING_UNKNOWN, "no [[peer]] has the AE title STRANGER"),
        (
            "ELSEWHERE",
            "FOCI",
            Rejection::CALLING_UNKNOWN,
            "no [[peer]] with the AE title ELSEWHERE may call from 127.0.0.1",
        ),
        ("CAREFUL", "FOCI", Rejection::CALLING_UNKNOWN, "the peer careful must call with TLS"),
        ("SENDER", "OTHER", Rejection::CALLED_UNKNOWN, "it calls another AE title than ours, FOCI"),
    ] {
        let refused = Link::associate(node.dicom, calling, called, &[verification()]);
        assert_eq!(refused.err(), Some(No::Rejected(rejection)), "{calling} to {called}");
        assert!(node.log().contains(why), "{why}: {}", node.log());
    }
    let mut sender = Link::associate(node.dicom, "SENDER", "FOCI", &[verification()]).unwrap();
    assert_eq!(sender.echo(), Status::SUCCESS);
    sender.release();
    node.stop();
}

//! What a configuration contradicts itself in, though each setting by itself could be read.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use models::Card;

use super::{Addresses, Config, OTHER_SENDERS, Peer, Rule};
use crate::analyze::wanted;
use crate::llm;

/// A sentence for each thing that is wrong.
pub(super) fn faults(config: &Config) -> Vec<String> {
    let mut faults = Faults(Vec::new());
    faults.node(config);
    faults.numbers(config);
    let peers = config.peer.iter().map(|peer| ("peer", peer.name.as_str()));
    let webs = config.dicomweb.iter().map(|web| ("dicomweb", web.name.as_str()));
    // They share their names, for rules send to both.
    faults.names(peers.chain(webs));
    faults.names(config.rule.iter().map(|rule| ("rule", rule.name.as_str())));
    for (n, peer) in config.peer.iter().enumerate() {
        faults.peer(&called("peer", &peer.name, n), peer, config);
    }
    faults.twins(&config.peer);
    for (n, web) in config.dicomweb.iter().enumerate() {
        faults.url(&format!("{}: url", called("dicomweb", &web.name, n)), &web.url, web.allow_plain);
    }
    if let Some(alert) = &config.alert {
        faults.url("alert.url", &alert.url, alert.allow_plain);
    }
    if let Some(llm) = &config.llm {
        faults.llm(llm, config);
    }
    for (language, headings) in [("en", &config.report.headings.en), ("zh", &config.report.headings.zh)] {
        let all = [&headings.findings, &headings.impression, &headings.recommendation];
        for heading in all.into_iter().flatten() {
            let is_line = !heading.trim().is_empty() && !heading.contains(char::is_control);
            faults.unless(is_line && heading.len() <= 64, || {
                format!(
                    "report.headings.{language} holds {heading:?}: a heading is one line of at most 64 bytes"
                )
            });
        }
    }
    for (n, rule) in config.rule.iter().enumerate() {
        let path = called("rule", &rule.name, n);
        faults.rule(&path, rule, config);
        if let Some(before) = config.rule[..n].iter().find(|rule| rule.when.is_empty()) {
            faults
                .add(format!("{path} never applies: rule {:?} before it applies to everything", before.name));
        }
    }
    faults.0
}

/// `peer "pacs"`, or `peer number 2`.
fn called(kind: &str, name: &str, n: usize) -> String {
    if name.is_empty() { format!("{kind} number {}", n + 1) } else { format!("{kind} {name:?}") }
}

struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, fault: String) {
        self.0.push(fault);
    }

    fn unless(&mut self, right: bool, fault: impl FnOnce() -> String) {
        if !right {
            self.add(fault());
        }
    }

    /// Our own sockets and certificates.
    fn node(&mut self, config: &Config) {
        let (dicom, http) = (&config.dicom, &config.http);
        self.unless(!config.data.as_os_str().is_empty(), || {
            "data is missing: the folder to keep everything in".to_owned()
        });
        self.ae_title("dicom.ae_title", &dicom.ae_title);
        let away = |listen: &Option<SocketAddr>| listen.filter(|address| !is_this_machine(address.ip()));
        if let Some(address) = away(&dicom.listen) {
            self.unless(dicom.allow_plain, || {
                format!(
                    "dicom.listen is {address}, which others can reach, and has no TLS: use [dicom.tls], listen \
                     on 127.0.0.1, or set dicom.allow_plain = true if the network is safe"
                )
            });
        }
        if let Some(address) = away(&http.listen) {
            self.unless(http.allow_plain, || {
                format!(
                    "http.listen is {address}, which others can reach, and has no TLS: listen on 127.0.0.1 \
                     behind a proxy that has, or set http.allow_plain = true if the network is safe"
                )
            });
            self.unless(http.token_file.is_some(), || {
                format!("http.listen is {address}, which others can reach: http.token_file is needed")
            });
        }
        if let Some(tls) = &dicom.tls {
            let files = [("certificate", &tls.certificate), ("key", &tls.key), ("trusted", &tls.trusted)];
            for (name, path) in files {
                self.unless(!path.as_os_str().is_empty(), || format!("dicom.tls.{name} is missing"));
            }
        }
        let sockets = config.sockets();
        self.unless(!sockets.is_empty(), || {
            "nothing can ever come in: dicom.listen, dicom.tls.listen and http.listen are all off".to_owned()
        });
        for (n, (name, address)) in sockets.iter().enumerate() {
            for (other, taken) in &sockets[..n] {
                self.unless(address.port() == 0 || !meet(taken, address), || {
                    format!("{other} and {name} are the same address, {address}")
                });
            }
        }
    }

    /// What must be more than nothing, and what must be finite.
    fn numbers(&mut self, config: &Config) {
        let (limits, analysis, delivery) = (&config.dicom.limits, &config.analysis, &config.delivery);
        for (name, is_zero) in [
            ("dicom.limits.associations", limits.associations == 0),
            ("dicom.limits.associations_per_address", limits.associations_per_address == 0),
            ("dicom.limits.pending", limits.pending == 0),
            ("dicom.limits.object_mb", limits.object_mb == 0),
            ("dicom.limits.request_s", limits.request_s == 0),
            ("dicom.limits.message_s", limits.message_s == 0),
            ("dicom.limits.idle_s", limits.idle_s == 0),
            ("dicom.limits.association_s", limits.association_s == 0),
            ("http.request_mb", config.http.request_mb == 0),
            ("studies.stable_s", config.studies.stable_s == 0),
            ("analysis.workers", analysis.workers == 0),
            ("analysis.threads", analysis.threads == Some(0)),
            ("analysis.memory_mb", analysis.memory_mb == 0),
            ("analysis.deadline_s", analysis.deadline_s == 0),
            ("analysis.attempts", analysis.attempts == 0),
            ("delivery.attempts", delivery.attempts == 0),
        ] {
            self.unless(!is_zero, || format!("{name} is 0, and must be at least 1"));
        }
        // PS3.8 lets 0 stand for "any": a node that must not be flooded says a number.
        let pdu = limits.pdu_bytes;
        self.unless((4096..=16 << 20).contains(&pdu), || {
            format!("dicom.limits.pdu_bytes is {pdu}, and must be between 4096 and {}", 16 << 20)
        });
        for (name, seconds) in [
            ("analysis.retry_s", analysis.retry_s),
            ("analysis.lease_s", analysis.lease_s),
            ("delivery.first_s", delivery.first_s),
            ("delivery.most_s", delivery.most_s),
            ("delivery.commitment_s", delivery.commitment_s),
        ] {
            // A longer wait than a year is a mistake, and does not fit into every clock.
            self.unless((1e-3..=366.0 * 86400.0).contains(&seconds), || {
                format!("{name} is {seconds}, and must be between 0.001 seconds and a year")
            });
        }
        self.unless(delivery.first_s <= delivery.most_s, || {
            format!(
                "delivery.first_s is {}, longer than delivery.most_s, {}",
                delivery.first_s, delivery.most_s
            )
        });
        self.unless(analysis.wrapper.first().is_none_or(|program| !program.is_empty()), || {
            "analysis.wrapper names no program".to_owned()
        });
    }

    /// Things of some kinds that share their names.
    fn names<'a>(&mut self, names: impl Iterator<Item = (&'a str, &'a str)>) {
        let names: Vec<_> = names.collect();
        for (n, (kind, name)) in names.iter().enumerate() {
            let place = || 1 + names[..n].iter().filter(|(before, _)| before == kind).count();
            let odd = name.len() > 64 || name.chars().any(char::is_control) || name.trim() != *name;
            if name.is_empty() {
                self.add(format!("{kind} number {}: name is missing", place()));
            } else if odd {
                self.add(format!(
                    "{kind} number {}: name must be one line of at most 64 bytes without blanks around it",
                    place()
                ));
            } else if *kind != "rule" && OTHER_SENDERS.contains(name) {
                self.add(format!("{kind} {name:?}: the name stands for what comes by another way already"));
            } else if names[..n].iter().any(|(_, before)| before == name) {
                self.add(format!("{kind} {name:?}: the name is used twice"));
            }
        }
    }

    fn peer(&mut self, path: &str, peer: &Peer, config: &Config) {
        let dicom = &config.dicom;
        self.ae_title(&format!("{path}: ae_title"), &peer.ae_title);
        self.unless(peer.host.is_some() || !peer.addresses.is_empty(), || {
            format!("{path} can neither call (addresses) nor be called (host)")
        });
        self.unless(peer.port != 0, || format!("{path}: port is 0"));
        if let Some(host) = &peer.host {
            let odd = |c: char| c.is_whitespace() || c.is_control() || "/@[]".contains(c);
            let has_port = host.contains(':') && host.parse::<IpAddr>().is_err();
            let is_host = !host.is_empty() && !host.contains(odd) && !has_port;
            self.unless(is_host, || {
                format!("{path}: host {host:?} is no name and no address; its port is a setting of its own")
            });
            self.unless(!is_host || peer.tls || dicom.allow_plain || is_here(host), || {
                format!(
                    "{path}: host {host:?} is another machine, to be called without TLS: set tls = true, or \
                     dicom.allow_plain = true if the network is safe"
                )
            });
        }
        for (name, is_asked) in [("commitment", peer.commitment), ("counts", peer.counts)] {
            self.unless(!is_asked || peer.host.is_some(), || {
                format!("{path}: {name} needs to call it, and it has no host")
            });
        }
        self.unless(!peer.tls || dicom.tls.is_some(), || {
            format!("{path}: tls needs a certificate of our own: [dicom.tls]")
        });
        let listens = dicom.tls.as_ref().is_none_or(|tls| tls.listen.is_some());
        self.unless(peer.addresses.is_empty() || !peer.tls || listens, || {
            format!("{path} may call with TLS only, and nobody listens: dicom.tls.listen is not set")
        });
        let listens = dicom.listen.is_some() || dicom.tls.as_ref().is_some_and(|tls| tls.listen.is_some());
        self.unless(peer.addresses.is_empty() || listens, || {
            format!("{path} may call, and nobody listens: dicom.listen is off")
        });
    }

    /// Two peers that call with one title from one place cannot be told apart.
    fn twins(&mut self, peers: &[Peer]) {
        for (n, peer) in peers.iter().enumerate() {
            for other in peers[..n].iter().filter(|other| other.ae_title == peer.ae_title) {
                let shared =
                    |a: &Addresses| other.addresses.iter().any(|b| a.0.contains(&b.0) || b.0.contains(&a.0));
                self.unless(!peer.addresses.iter().any(shared), || {
                    format!(
                        "peers {:?} and {:?} call with one AE title from the same addresses and cannot be told \
                         apart",
                        other.name, peer.name
                    )
                });
            }
        }
    }

    fn rule(&mut self, path: &str, rule: &Rule, config: &Config) {
        for (n, name) in rule.models.iter().enumerate() {
            self.unless(!rule.models[..n].contains(name), || {
                format!("{path}: model {name:?} is named twice")
            });
            if let Err(error) = wanted(std::slice::from_ref(name)) {
                let known: Vec<_> =
                    wanted(&[]).into_iter().flatten().map(|card| card.name.as_str()).collect();
                let known = known.join(", ");
                self.add(match Card::named(name) {
                    Ok(_) => format!("{path}: {error}; there are {known}"),
                    Err(_) => format!("{path}: model {name:?} is unknown; there are {known}"),
                });
            }
        }
        for (n, name) in rule.send_to.iter().enumerate() {
            self.unless(!rule.send_to[..n].contains(name), || {
                format!("{path}: destination {name:?} is named twice")
            });
            match config.peer(name) {
                Some(peer) => self.unless(peer.host.is_some(), || {
                    format!("{path}: destination {name:?} cannot be called: the peer has no host")
                }),
                None => self.unless(config.web(name).is_some(), || {
                    format!("{path}: destination {name:?} is unknown: no peer and no dicomweb has that name")
                }),
            }
        }
        self.unless(rule.send_to.is_empty() || !rule.models.is_empty(), || {
            format!("{path}: send_to has nothing to send, for there are no models")
        });
        for name in &rule.when.sender {
            match config.peer(name) {
                Some(peer) => self.unless(peer.may_store && !peer.addresses.is_empty(), || {
                    format!("{path}: sender {name:?} never sends: it has no addresses, or may_store = false")
                }),
                None => self.unless(OTHER_SENDERS.contains(&name.as_str()), || {
                    format!(
                        "{path}: sender {name:?} is unknown: no peer has that name, nor is it stow or pull"
                    )
                }),
            }
        }
        let modalities = &rule.when.modality;
        for modality in modalities {
            let fits = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_' || b == b' ';
            let is_code = (1..=16).contains(&modality.len()) && modality.bytes().all(fits);
            self.unless(is_code, || format!("{path}: modality {modality:?} is no DICOM code such as CT"));
        }
        if !rule.models.is_empty() && !modalities.is_empty() {
            let cards = wanted(&rule.models).unwrap_or_default();
            let read: BTreeSet<_> =
                cards.iter().flat_map(|card| &card.modalities).map(|modality| modality.as_str()).collect();
            let some = modalities.iter().any(|modality| read.contains(modality.as_str()));
            self.unless(cards.is_empty() || some, || {
                let read: Vec<_> = read.into_iter().collect();
                let modalities = modalities.join(", ");
                format!("{path} applies to {modalities} only, and its models read {}", read.join(", "))
            });
        }
        self.unless(rule.when.minimum_images != Some(0), || format!("{path}: minimum_images is 0"));
    }

    /// PS3.5 6.2, AE: up to 16 characters of ASCII, no backslash, no control characters; blanks around it
    /// mean nothing, and it is not all blanks.
    fn ae_title(&mut self, path: &str, title: &str) {
        if title.is_empty() {
            return self.add(format!("{path} is missing"));
        }
        let sound = title.len() <= 16
            && title.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'\\')
            && title.trim() == title;
        self.unless(sound, || {
            format!(
                "{path} {title:?} is no AE title: 1 to 16 ASCII characters, no backslash, no blanks around it"
            )
        });
    }

    fn llm(&mut self, llm: &llm::Settings, config: &Config) {
        self.url("llm.url", &llm.url, llm.allow_plain);
        self.unless(!llm.url.trim_end_matches('/').ends_with("/chat/completions"), || {
            "llm.url names the chat itself: leave /chat/completions away".to_owned()
        });
        let is_name = !llm.model.trim().is_empty() && !llm.model.contains(char::is_control);
        self.unless(is_name, || "llm.model is missing: the name that the server has for it".to_owned());
        self.unless(llm.max_tokens > 0, || "llm.max_tokens is 0, and must be at least 1".to_owned());
        let temperature = llm.temperature();
        self.unless((0.0..=2.0).contains(&temperature), || {
            format!("llm.temperature is {temperature}, and must be between 0 and 2")
        });
        for (name, seconds) in
            [("connect_s", llm.connect_s), ("first_token_s", llm.first_token_s), ("total_s", llm.total_s)]
        {
            self.unless((0.001..=3600.0).contains(&seconds), || {
                format!("llm.{name} is {seconds}, and must be between 0.001 seconds and an hour")
            });
        }
        self.unless(llm.connect_s <= llm.total_s && llm.first_token_s <= llm.total_s, || {
            format!("llm.total_s is {}, shorter than llm.connect_s or llm.first_token_s", llm.total_s)
        });
        let deadline = config.analysis.deadline_s;
        self.unless(llm.total_s < deadline as f64, || {
            format!(
                "llm.total_s is {}: analysis.deadline_s, {deadline}, must leave time for more",
                llm.total_s
            )
        });
    }

    fn url(&mut self, path: &str, text: &str, allow_plain: bool) {
        self.0.extend(url_faults(path, text, allow_plain, "allow_plain = true"));
    }
}

/// What is wrong with the address `text` of a service, which `path` names; `permit` is what would let it be plain.
pub(crate) fn url_faults(path: &str, text: &str, allow_plain: bool, permit: &str) -> Vec<String> {
    if text.is_empty() {
        return vec![format!("{path} is missing")];
    }
    let url = match reqwest::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => url,
        _ => return vec![format!("{path} {text:?} is no URL that begins with https:// or http://")],
    };
    if !url.username().is_empty() || url.password().is_some() {
        return vec![format!("{path} holds a user or a password: put a token into a file")];
    }
    let mut faults = Vec::new();
    if url.fragment().is_some() {
        faults.push(format!("{path} {text:?} has a part behind #"));
    }
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    if url.scheme() != "https" && !allow_plain && !is_here(host) {
        faults.push(format!(
            "{path} {text:?} is on another machine and without TLS: use https, or set {permit} if the network is \
             safe"
        ));
    }
    faults
}

/// Whether `address` leads nowhere but to this machine, also where it is written as one of IPv6 (`::ffff:127.0.0.1`).
pub(crate) fn is_this_machine(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whether `host` is certainly this machine.
fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(is_this_machine)
}

/// Whether two sockets would be the same.
fn meet(a: &SocketAddr, b: &SocketAddr) -> bool {
    a.port() == b.port() && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

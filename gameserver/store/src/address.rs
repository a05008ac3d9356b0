//! Where Redis is: the URL, parsed once.
//!
//! `redis://[[user]:password@]host[:port][/db]` is a single node, `rediss://…` the same over TLS;
//! `redis-cluster://[[user]:password@]host[:port][,host[:port]…]` and `rediss-cluster://…` are a cluster, of which
//! some nodes are named.

use std::{fmt, time::Duration};

use redis::{Client, ConnectionInfo, IntoConnectionInfo as _, cluster::ClusterClient, io::tcp::TcpSettings};

/// So many nodes of a cluster may be named; one that answers is enough.
const NODES_MAX: usize = 16;

/// A cluster's client follows so many redirections of a call, and the call's timeout bounds them.
const REDIRECTIONS: u32 = 4;

/// Why a URL is not the address of a store. None of them shows the URL: there is a password in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Neither of the four.
    #[error(
        "the store's URL begins with none of redis://, rediss://, redis-cluster:// and rediss-cluster://"
    )]
    Scheme,
    /// No host, or too many.
    #[error("the store's URL names no host, or more than 16")]
    Hosts,
    /// A fragment could switch off the check of certificates, and a query could do who knows what.
    #[error(
        "the store's URL has a query or a fragment, and neither means anything here (in a password, write %3F and %23)"
    )]
    Extra,
    /// A cluster has one database only.
    #[error("the store's URL names a database, which a cluster does not have")]
    Database,
    /// Malformed otherwise.
    #[error(
        "the store's URL is malformed: a host, a port, a database's number or an escape in user or password"
    )]
    Malformed,
}

/// Whom to connect to.
pub(crate) enum Address {
    Single(Box<Client>),
    Cluster {
        client: Box<ClusterClient>,
        /// The first one that is named: it tells more exactly than the cluster's client what is wrong.
        first: Box<Client>,
    },
}

impl Address {
    /// Parses a URL. A path that was silent for so long is given up by the kernel, so that a node that lost its
    /// power is not waited for by every call.
    pub(crate) fn parse(url: &str, silence: Duration) -> Result<Self, BadUrl> {
        let (scheme, rest) = url.split_once("://").ok_or(BadUrl::Scheme)?;
        let (scheme, is_cluster) = match scheme {
            "redis" | "rediss" => (scheme, false),
            "redis-cluster" => ("redis", true),
            "rediss-cluster" => ("rediss", true),
            _ => return Err(BadUrl::Scheme),
        };
        if rest.contains(['?', '#']) {
            return Err(BadUrl::Extra);
        }
        if !is_cluster {
            let node = node(scheme, "", rest, silence)?;
            return Client::open(node).map(|it| Self::Single(Box::new(it))).map_err(|_| BadUrl::Malformed);
        }
        let (login, hosts) = match rest.rsplit_once('@') {
            Some((login, hosts)) => (format!("{login}@"), hosts),
            None => (String::new(), rest),
        };
        let hosts = hosts.strip_suffix('/').unwrap_or(hosts);
        if hosts.contains('/') {
            return Err(BadUrl::Database);
        }
        if hosts.split(',').count() > NODES_MAX {
            return Err(BadUrl::Hosts);
        }
        let nodes: Vec<_> =
            hosts.split(',').map(|host| node(scheme, &login, host, silence)).collect::<Result<_, _>>()?;
        let first = nodes.first().cloned().ok_or(BadUrl::Hosts)?;
        let first = Client::open(first).map_err(|_| BadUrl::Malformed)?;
        ClusterClient::builder(nodes)
            .retries(REDIRECTIONS)
            // Short, so that one node that hangs leaves time for the others.
            .connection_timeout(silence / 4)
            .response_timeout(silence)
            .tcp_settings(tcp(silence))
            .build()
            .map(|client| Self::Cluster { client: Box::new(client), first: Box::new(first) })
            .map_err(|_| BadUrl::Malformed)
    }
}

/// Nothing of the login is shown.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Single(_) => "a node",
            Self::Cluster { .. } => "a cluster",
        })
    }
}

fn node(scheme: &str, login: &str, host: &str, silence: Duration) -> Result<ConnectionInfo, BadUrl> {
    if host.is_empty() || host.starts_with('/') {
        return Err(BadUrl::Hosts);
    }
    // The parser's own error might quote the URL.
    let node = format!("{scheme}://{login}{host}").into_connection_info().map_err(|_| BadUrl::Malformed)?;
    Ok(node.set_tcp_settings(tcp(silence)))
}

fn tcp(silence: Duration) -> TcpSettings {
    let settings = TcpSettings::default().set_nodelay(true);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(silence);
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address, BadUrl> {
        Address::parse(url, Duration::from_millis(500))
    }

    #[test]
    fn a_node_or_a_cluster() {
        for url in ["redis://a", "redis://:pw@a:6380/3", "rediss://u:p%40w@a", "redis://[::1]:7000"] {
            assert!(matches!(parse(url), Ok(Address::Single(_))), "{url}");
        }
        for url in ["redis-cluster://a", "rediss-cluster://:pw@a:1,b:2/", "redis-cluster://u:pw@[::1]:1,b"] {
            assert!(matches!(parse(url), Ok(Address::Cluster { .. })), "{url}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_without_the_password() {
        for (url, error) in [
            ("", BadUrl::Scheme),
            (":hunter2@a", BadUrl::Scheme),
            ("http://:hunter2@a", BadUrl::Scheme),
            ("unix:///run/hunter2", BadUrl::Scheme),
            ("redis://", BadUrl::Hosts),
            ("redis:///1", BadUrl::Hosts),
            ("redis-cluster://:hunter2@a,,b", BadUrl::Hosts),
            ("redis-cluster://:hunter2@a/1", BadUrl::Database),
            ("redis://:hunter2@a:port", BadUrl::Malformed),
            ("redis://:hunter2@a/one", BadUrl::Malformed),
            ("redis-cluster://:hunter2@a:1,b:99999", BadUrl::Malformed),
            ("rediss://:hunter2@a/#insecure", BadUrl::Extra),
            ("redis://:hunter2@a?protocol=resp3", BadUrl::Extra),
        ] {
            let outcome = parse(url);
            assert_eq!(outcome.as_ref().err(), Some(&error), "{url}");
            assert!(!format!("{outcome:?} {error}").contains("hunter2"));
        }
        let many = vec!["a"; NODES_MAX + 1].join(",");
        assert_eq!(parse(&format!("redis-cluster://{many}")).err(), Some(BadUrl::Hosts));
        assert!(!format!("{:?}", parse("redis://:hunter2@a")).contains("hunter2"));
    }
}

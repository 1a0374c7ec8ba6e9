//! How hosts are reached: by which name lookups, and by which proxy.

use super::names::Names;
use super::tls::Tls;
use crate::config::Proxy;

/// Name lookups and proxy of one side. Clones share the lookups.
#[derive(Debug, Clone, Default)]
pub struct Route {
    pub(super) names: Names,
    proxy: Option<Box<(Proxy, Tls)>>,
    only_https: bool,
}

impl Route {
    /// Uses `proxy` for `https` only, except for its exceptions. `tls` is for a proxy that is itself behind TLS.
    #[must_use]
    pub fn https(proxy: Option<Proxy>, tls: &Tls) -> Self {
        Self { only_https: true, ..Self::to_any(proxy, tls) }
    }

    /// Uses `proxy` for any protocol, except for its exceptions.
    #[must_use]
    pub fn to_any(proxy: Option<Proxy>, tls: &Tls) -> Self {
        let proxy = proxy.map(|proxy| Box::new((proxy, tls.clone())));
        Self { names: Names::default(), proxy, only_https: false }
    }

    /// The proxy for this host, and the TLS settings for the proxy itself.
    pub(crate) fn proxy(&self, host: &str, port: u16, tls: bool) -> Option<&(Proxy, Tls)> {
        let proxy = self.proxy.as_deref().filter(|_| tls || !self.only_https)?;
        (!proxy.0.exceptions.covers(host, port)).then_some(proxy)
    }
}

//! Where a provider lives: scheme, host, port and the path in front of every call.

use hyper::Uri;
use hyper::header::HeaderValue;
use orders_core::private::Private;
use rustls::pki_types::ServerName;
use std::fmt;

/// The base address of a provider, read once from the configuration.
///
/// Its `Debug` output shows nothing: a base address may carry a secret part of its path.
#[derive(Clone)]
pub struct Base {
    host: String,
    port: u16,
    host_header: HeaderValue,
    path: String,
    /// Only for https: the name that the certificate must carry.
    server_name: Option<ServerName<'static>>,
}

/// The text is not a base address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the base address must be http:// or https:// with a host, and without user, query and fragment"
)]
pub struct BadBase;

impl Base {
    /// Reads an address such as `https://api.zinc.io/v1`; a slash at the end changes nothing.
    pub fn parse(text: &str) -> Result<Self, BadBase> {
        if text.contains(['@', '?', '#']) {
            return Err(BadBase);
        }
        let uri: Uri = text.parse().map_err(|_| BadBase)?;
        let encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(BadBase),
        };
        let authority = uri.authority().ok_or(BadBase)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        // A port that is no number of a port is not left out, it is an error.
        let port_is_lost = authority.port().is_none() && authority.as_str() != authority.host();
        if host.is_empty() || port_is_lost {
            return Err(BadBase);
        }
        let server_name = if encrypted {
            Some(ServerName::try_from(host.clone()).map_err(|_| BadBase)?)
        } else {
            None
        };
        Ok(Self {
            port: authority.port_u16().unwrap_or(if encrypted { 443 } else { 80 }),
            host_header: HeaderValue::from_str(authority.as_str()).map_err(|_| BadBase)?,
            path: uri.path().trim_end_matches('/').to_owned(),
            host,
            server_name,
        })
    }

    /// Whether the way there is encrypted; who holds a live token may insist on it.
    pub fn is_encrypted(&self) -> bool {
        self.server_name.is_some()
    }

    /// The address in one spelling, for comparing it with others; private, see above.
    pub fn spelled(&self) -> Private<String> {
        let scheme = if self.is_encrypted() { "https" } else { "http" };
        let host = self.host.to_ascii_lowercase();
        Private::new(format!("{scheme}://{host}:{}{}", self.port, self.path))
    }

    pub(super) fn target(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    pub(super) fn host_header(&self) -> HeaderValue {
        self.host_header.clone()
    }

    pub(super) fn server_name(&self) -> Option<ServerName<'static>> {
        self.server_name.clone()
    }

    /// The request target of a call: the base's path and what follows it.
    pub(super) fn uri(&self, rest: &str) -> Option<Uri> {
        let mut target = String::with_capacity(self.path.len() + rest.len());
        target.push_str(&self.path);
        target.push_str(rest);
        target.parse().ok()
    }
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<base address>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_split_into_what_a_call_needs() {
        let base = Base::parse("https://api.zinc.io/v1/").unwrap();
        assert!(base.is_encrypted());
        assert_eq!(base.target(), ("api.zinc.io", 443));
        assert_eq!(base.uri("/orders?limit=1").unwrap().to_string(), "/v1/orders?limit=1");

        let base = Base::parse("http://[::1]:8123").unwrap();
        assert!(!base.is_encrypted());
        assert_eq!(base.target(), ("::1", 8123));
        assert_eq!(base.host_header(), "[::1]:8123");
        assert_eq!(base.uri("/orders").unwrap().to_string(), "/orders");
    }

    #[test]
    fn what_could_hide_a_secret_or_lead_elsewhere_is_refused() {
        for text in [
            "",
            "api.zinc.io/v1",
            "ftp://api.zinc.io",
            "https://user:pass@api.zinc.io/v1",
            "https://api.zinc.io/v1?x=1",
            "https://api.zinc.io/v1#x",
            "https:///v1",
            "http://host:99999/",
            "https://white space/",
        ] {
            assert!(Base::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_debug_output_of_a_base_address_does_not_show_it() {
        assert_eq!(format!("{:?}", Base::parse("http://secret.host").unwrap()), "<base address>");
    }
}

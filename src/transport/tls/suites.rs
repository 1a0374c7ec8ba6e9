//! Which cipher suites are offered first: those that cost this processor the least.

use rustls::{SupportedCipherSuite, crypto::ring::cipher_suite as suites};

/// All suites that rustls has, in the order in which they are offered here.
pub(super) fn by_cost() -> Vec<SupportedCipherSuite> {
    ordered(has_aes())
}

/// Without instructions for AES a byte costs two to twelve times as much in AES-GCM as in ChaCha20-Poly1305, with them less
/// than half; AES-256 always a fifth more than AES-128 (`scripts/cost --crypto`). Some servers that go by an order of their own
/// take ChaCha20 from a client whose very first suite has it (s2n-tls with "ChaCha20 boosting", OpenSSL with
/// `SSL_OP_PRIORITIZE_CHACHA`).
fn ordered(has_aes: bool) -> Vec<SupportedCipherSuite> {
    let chacha = [
        suites::TLS13_CHACHA20_POLY1305_SHA256,
        suites::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        suites::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ];
    let aes_128 = [
        suites::TLS13_AES_128_GCM_SHA256,
        suites::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        suites::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ];
    let aes_256 = [
        suites::TLS13_AES_256_GCM_SHA384,
        suites::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        suites::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ];
    let [first, second] = if has_aes { [aes_128, chacha] } else { [chacha, aes_128] };
    [first, second, aes_256].concat()
}

#[cfg(target_arch = "aarch64")]
fn has_aes() -> bool {
    std::arch::is_aarch64_feature_detected!("aes")
}

#[cfg(target_arch = "x86_64")]
fn has_aes() -> bool {
    std::arch::is_x86_feature_detected!("aes")
}

/// Where ring knows of none.
#[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
const fn has_aes() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use rustls::crypto::ring::ALL_CIPHER_SUITES;

    use super::*;

    /// The kinds of cipher of one version of TLS, in the order in which they are offered.
    fn kinds(suites: &[SupportedCipherSuite], is_13: bool) -> Vec<&'static str> {
        let of_version = suites.iter().filter(|suite| suite.tls13().is_some() == is_13);
        let mut kinds: Vec<_> = of_version
            .map(|suite| {
                let name = suite.suite().as_str().expect("a suite that is known has a name");
                ["AES_128", "AES_256", "CHACHA20"].into_iter().find(|kind| name.contains(kind)).expect("a kind")
            })
            .collect();
        kinds.dedup();
        kinds
    }

    #[test]
    fn without_instructions_for_aes_chacha20_is_offered_first() {
        let suites = ordered(false);
        assert!(format!("{:?}", suites[0].suite()).contains("CHACHA20"), "the very first is what servers look at");
        for is_13 in [true, false] {
            assert_eq!(kinds(&suites, is_13), ["CHACHA20", "AES_128", "AES_256"]);
        }
    }

    #[test]
    fn with_them_aes_128_is_offered_first_and_aes_256_last() {
        for is_13 in [true, false] {
            assert_eq!(kinds(&ordered(true), is_13), ["AES_128", "CHACHA20", "AES_256"]);
        }
    }

    #[test]
    fn every_suite_of_rustls_is_offered_once_and_no_other() {
        let names = |suites: &[SupportedCipherSuite]| {
            let mut names: Vec<_> = suites.iter().map(|suite| u16::from(suite.suite())).collect();
            names.sort_unstable();
            names
        };
        for has_aes in [true, false] {
            assert_eq!(names(&ordered(has_aes)), names(ALL_CIPHER_SUITES));
        }
    }
}

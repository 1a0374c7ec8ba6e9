//! The service's endpoint for a delivery stream.

use super::types::{Aws, EndpointUrl};
use crate::firehose::endpoint::{Variant, host};
use crate::relay::arn::DeliveryStreamArn;

const HTTPS: u16 = 443;

impl Aws {
    /// The configured endpoint, or that of the delivery stream's region.
    #[must_use]
    pub fn endpoint(&self, arn: &DeliveryStreamArn<'_>) -> EndpointUrl {
        match &self.endpoint_url {
            Some(url) => url.clone(),
            None => {
                let variant = Variant { fips: self.use_fips, dual_stack: self.use_dual_stack };
                let host = host(arn.partition, arn.region, variant);
                EndpointUrl { host: host.as_str().to_owned(), port: HTTPS, tls: true }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_endpoint_takes_precedence_over_that_of_the_region() {
        let arn = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/s";
        let arn = DeliveryStreamArn::parse(arn).unwrap();
        let region = EndpointUrl { tls: true, host: "firehose-fips.eu-west-1.amazonaws.com".to_owned(), port: 443 };
        let mut aws = Aws { use_fips: true, ..Aws::default() };
        assert_eq!(aws.endpoint(&arn), region);
        let own = EndpointUrl { tls: false, host: "127.0.0.1".to_owned(), port: 4566 };
        aws.endpoint_url = Some(own.clone());
        assert_eq!(aws.endpoint(&arn), own);
    }
}

//! The service's host name for a partition and region.
//!
//! Source: botocore's `endpoint-rule-set-1.json` of Firehose and `partitions.json`.

/// Bytes of the longest host name made here: a region has at most 32.
pub const HOST_BYTES: usize = 96;

/// Which of a region's endpoints is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Variant {
    /// `AWS_USE_FIPS_ENDPOINT`
    pub fips: bool,
    /// `AWS_USE_DUALSTACK_ENDPOINT`: IPv6 and IPv4.
    pub dual_stack: bool,
}

/// Host of the regional endpoint, `firehose.<region>.<suffix of the partition>`.
#[must_use]
pub fn host(partition: &str, region: &str, variant: Variant) -> heapless::String<HOST_BYTES> {
    let (suffix, dual_stack_suffix) = match partition {
        "aws-cn" => ("amazonaws.com.cn", "api.amazonwebservices.com.cn"),
        "aws-eusc" => ("amazonaws.eu", "api.amazonwebservices.eu"),
        "aws-iso" => ("c2s.ic.gov", "api.aws.ic.gov"),
        "aws-iso-b" => ("sc2s.sgov.gov", "api.aws.scloud"),
        "aws-iso-e" => ("cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
        "aws-iso-f" => ("csp.hci.ic.gov", "api.aws.hci.ic.gov"),
        _ => ("amazonaws.com", "api.aws"),
    };
    let service = if variant.fips { "firehose-fips." } else { "firehose." };
    let mut host = heapless::String::new();
    for part in [service, region, ".", if variant.dual_stack { dual_stack_suffix } else { suffix }] {
        let fits = host.push_str(part);
        debug_assert!(fits.is_ok(), "HOST_BYTES holds every region and suffix");
    }
    host
}

#[cfg(test)]
mod tests {
    use super::{Variant, host};

    #[test]
    fn the_partition_decides_the_suffix() {
        let host = |partition, region| host(partition, region, Variant::default());
        assert_eq!(host("aws", "eu-west-1"), "firehose.eu-west-1.amazonaws.com");
        assert_eq!(host("aws-us-gov", "us-gov-west-1"), "firehose.us-gov-west-1.amazonaws.com");
        assert_eq!(host("aws-cn", "cn-north-1"), "firehose.cn-north-1.amazonaws.com.cn");
        assert_eq!(host("aws-eusc", "eusc-de-east-1"), "firehose.eusc-de-east-1.amazonaws.eu");
    }

    #[test]
    fn fips_and_dual_stack_have_names_of_their_own() {
        let host = |fips, dual_stack| host("aws", "us-east-1", Variant { fips, dual_stack });
        assert_eq!(host(true, false), "firehose-fips.us-east-1.amazonaws.com");
        assert_eq!(host(false, true), "firehose.us-east-1.api.aws");
        assert_eq!(host(true, true), "firehose-fips.us-east-1.api.aws");
    }
}

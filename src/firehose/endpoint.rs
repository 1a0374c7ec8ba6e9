//! The service's host name for a partition and region.
//!
//! Source: botocore's `endpoint-rule-set-1.json` of Firehose and `partitions.json`.

/// Longest host name made here, bytes: a region has at most 32.
pub const HOST_BYTES: usize = 80;

/// Host of the regional endpoint, `firehose.<region>.<suffix of the partition>`.
#[must_use]
pub fn host(partition: &str, region: &str) -> heapless::String<HOST_BYTES> {
    let suffix = match partition {
        "aws-cn" => "amazonaws.com.cn",
        "aws-eusc" => "amazonaws.eu",
        "aws-iso" => "c2s.ic.gov",
        "aws-iso-b" => "sc2s.sgov.gov",
        "aws-iso-e" => "cloud.adc-e.uk",
        "aws-iso-f" => "csp.hci.ic.gov",
        _ => "amazonaws.com",
    };
    let mut host = heapless::String::new();
    for part in ["firehose.", region, ".", suffix] {
        let fits = host.push_str(part);
        debug_assert!(fits.is_ok(), "HOST_BYTES holds every region and suffix");
    }
    host
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn the_partition_decides_the_suffix() {
        assert_eq!(host("aws", "eu-west-1"), "firehose.eu-west-1.amazonaws.com");
        assert_eq!(host("aws-us-gov", "us-gov-west-1"), "firehose.us-gov-west-1.amazonaws.com");
        assert_eq!(host("aws-cn", "cn-north-1"), "firehose.cn-north-1.amazonaws.com.cn");
        assert_eq!(host("aws-eusc", "eusc-de-east-1"), "firehose.eusc-de-east-1.amazonaws.eu");
    }
}

//! The ARN of a delivery stream: which service endpoint, which region to sign for, which name to send.
//!
//! The connector document allows
//! `arn:aws:firehose:([a-z]{2}-[a-z]+-\d{1}):(\d{12}):deliverystream/([a-zA-Z0-9_\-.]+)$`. Documented differences:
//! other partitions (`aws-cn`, `aws-us-gov`, ...), regions of four parts (`us-gov-west-1`) and those of `eusc`
//! (`eusc-de-east-1`) are accepted too. A name is at most 64 characters, which is the limit of the service's API, and a
//! region at most 32, as it becomes part of a host name.

use core::fmt;

/// Partitions besides `aws`, and how the names of their regions begin (botocore, `partitions.json`).
const PARTITIONS: [(&str, &str); 7] = [
    ("aws-cn", "cn-"),
    ("aws-us-gov", "us-gov-"),
    ("aws-eusc", "eusc-"),
    ("aws-iso", "us-iso-"),
    ("aws-iso-b", "us-isob-"),
    ("aws-iso-e", "eu-isoe-"),
    ("aws-iso-f", "us-isof-"),
];

/// The parts of a delivery stream ARN, borrowed from its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryStreamArn<'a> {
    /// The whole text.
    pub text: &'a str,
    /// `aws`, `aws-cn`, `aws-us-gov`, ...
    pub partition: &'a str,
    /// Region of the endpoint and of the signature, such as `eu-west-1`.
    pub region: &'a str,
    /// Delivery stream name: 1 to 64 of `[a-zA-Z0-9_.-]`.
    pub name: &'a str,
}

/// Why a text is not a delivery stream ARN: the first part that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArnError {
    /// Does not have the six parts of `arn:partition:firehose:region:account:deliverystream/name`.
    Shape,
    /// The partition is not `aws` or `aws-...`.
    Partition,
    /// The service is not `firehose`.
    Service,
    /// The region is not of the form `eu-west-1`.
    Region,
    /// The account is not twelve digits.
    Account,
    /// The resource is not `deliverystream/` and a name of 1 to 64 of `[a-zA-Z0-9_.-]`.
    Name,
}

impl fmt::Display for ArnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shape => "not of the form arn:aws:firehose:region:account:deliverystream/name",
            Self::Partition => "the partition must be aws, aws-cn, aws-us-gov or another aws-...",
            Self::Service => "the service must be firehose",
            Self::Region => "the region must look like eu-west-1",
            Self::Account => "the account must be 12 digits",
            Self::Name => "the resource must be deliverystream/ and a name of 1 to 64 letters, digits, '_', '.' or '-'",
        })
    }
}

impl core::error::Error for ArnError {}

impl<'a> DeliveryStreamArn<'a> {
    /// Reads an ARN.
    ///
    /// # Errors
    /// The first part that breaks the pattern.
    pub fn parse(text: &'a str) -> Result<Self, ArnError> {
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next().ok_or(ArnError::Shape);
        let (scheme, partition, service) = (next()?, next()?, next()?);
        let (region, account, resource) = (next()?, next()?, next()?);
        let check = |holds: bool, error| if holds { Ok(()) } else { Err(error) };
        check(scheme == "arn", ArnError::Shape)?;
        check(is_partition(partition), ArnError::Partition)?;
        check(service == "firehose", ArnError::Service)?;
        check(is_region(region), ArnError::Region)?;
        check(account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()), ArnError::Account)?;
        let name = resource.strip_prefix("deliverystream/").ok_or(ArnError::Name)?;
        check(is_name(name), ArnError::Name)?;
        Ok(Self { text, partition, region, name })
    }

    /// The partition that has the region, by its name; `None`: this one is not known here, nor are its regions.
    #[must_use]
    pub fn partition_of_region(&self) -> Option<&'static str> {
        let known = self.partition == "aws" || PARTITIONS.iter().any(|(partition, _)| *partition == self.partition);
        let by_name = PARTITIONS.iter().find(|(_, region)| self.region.starts_with(region));
        known.then(|| by_name.map_or("aws", |(partition, _)| partition))
    }
}

fn is_partition(text: &str) -> bool {
    text == "aws" || text.strip_prefix("aws-").is_some_and(|rest| rest.split('-').all(is_letters)) && text.len() <= 16
}

/// `([a-z]{2}|eusc)(-[a-z]+)+-\d`: a place of two letters, one or more words, one digit.
fn is_region(text: &str) -> bool {
    let Some((place, digit)) = text.rsplit_once('-') else { return false };
    let Some((place, words)) = place.split_once('-') else { return false };
    let place_holds = (place.len() == 2 && is_letters(place)) || place == "eusc";
    let digit_holds = digit.len() == 1 && digit.bytes().all(|b| b.is_ascii_digit());
    place_holds && digit_holds && words.split('-').all(is_letters) && text.len() <= 32
}

fn is_letters(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase())
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

#[cfg(test)]
mod tests;

//! The parser against the pattern of the connector document, and against each documented difference.

use proptest::{prop_assert, prop_assert_eq, proptest, string::string_regex};
use regex_lite::Regex;

use super::{ArnError, DeliveryStreamArn};

/// The connector document's pattern, anchored.
const DOCUMENT: &str = r"^arn:aws:firehose:([a-z]{2}-[a-z]+-\d{1}):(\d{12}):deliverystream/([a-zA-Z0-9_\-.]+)$";

/// The same with the documented differences, but for the greatest lengths.
const ACCEPTED: &str =
    r"^arn:aws(-[a-z]+)*:firehose:([a-z]{2}|eusc)(-[a-z]+)+-\d:\d{12}:deliverystream/[a-zA-Z0-9_\-.]{1,64}$";

#[test]
fn the_parts_of_an_arn_are_told_apart() {
    let text = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/stream-name";
    let expected = DeliveryStreamArn { text, partition: "aws", region: "eu-west-1", name: "stream-name" };
    assert_eq!(DeliveryStreamArn::parse(text), Ok(expected));
}

#[test]
fn other_partitions_and_their_regions_are_accepted() {
    for (partition, region) in [
        ("aws-cn", "cn-northwest-1"),
        ("aws-us-gov", "us-gov-west-1"),
        ("aws-eusc", "eusc-de-east-1"),
        ("aws-abcdefghijkl", "eu-abcdefghijklmnopqrstuvwxyza-1"),
        ("aws-iso", "us-iso-east-1"),
        ("aws-iso-b", "us-isob-east-1"),
        ("aws-iso-e", "eu-isoe-west-1"),
        ("aws-iso-f", "us-isof-south-1"),
    ] {
        let text = format!("arn:{partition}:firehose:{region}:123456789012:deliverystream/a");
        let arn = DeliveryStreamArn::parse(&text).unwrap();
        assert_eq!((arn.partition, arn.region), (partition, region));
        let known = (partition.len() < 16).then_some(partition);
        assert_eq!(arn.partition_of_region(), known, "{region}");
    }
}

#[test]
fn a_region_of_another_partition_is_known() {
    for (partition, region, right) in [
        ("aws", "eu-west-1", "aws"),
        ("aws", "cn-north-1", "aws-cn"),
        ("aws-cn", "eu-west-1", "aws"),
        ("aws-us-gov", "us-east-1", "aws"),
        ("aws", "us-gov-east-1", "aws-us-gov"),
        ("aws-iso", "us-isob-east-1", "aws-iso-b"),
    ] {
        let text = format!("arn:{partition}:firehose:{region}:123456789012:deliverystream/a");
        assert_eq!(DeliveryStreamArn::parse(&text).unwrap().partition_of_region(), Some(right), "{text}");
    }
}

#[test]
fn each_wrong_part_is_named() {
    use ArnError::{Account, Name, Partition, Region, Service, Shape};
    for (text, expected) in [
        ("", Shape),
        ("arn", Shape),
        ("arn:aws:firehose:eu-west-1:123456789012", Shape),
        ("ARN:aws:firehose:eu-west-1:123456789012:deliverystream/a", Shape),
        (" arn:aws:firehose:eu-west-1:123456789012:deliverystream/a", Shape),
        ("arn::firehose:eu-west-1:123456789012:deliverystream/a", Partition),
        ("arn:AWS:firehose:eu-west-1:123456789012:deliverystream/a", Partition),
        ("arn:aws-:firehose:eu-west-1:123456789012:deliverystream/a", Partition),
        ("arn:aws--cn:firehose:eu-west-1:123456789012:deliverystream/a", Partition),
        ("arn:aws-cn2:firehose:eu-west-1:123456789012:deliverystream/a", Partition),
        ("arn:aws-abcdefghijklm:firehose:eu-west-1:123456789012:deliverystream/a", Partition),
        ("arn:aws:kinesis:eu-west-1:123456789012:deliverystream/a", Service),
        ("arn:aws:firehose::123456789012:deliverystream/a", Region),
        ("arn:aws:firehose:region:123456789012:deliverystream/a", Region),
        ("arn:aws:firehose:eu-west:123456789012:deliverystream/a", Region),
        ("arn:aws:firehose:eu-1:123456789012:deliverystream/a", Region),
        ("arn:aws:firehose:eu--1:123456789012:deliverystream/a", Region),
        ("arn:aws:firehose:eu-west-10:123456789012:deliverystream/a", Region),
        ("arn:aws:firehose:eu-west-x:123456789012:deliverystream/a", Region),
        ("arn:aws:firehose:eu-west-1a:123456789012:deliverystream/a", Region),
        ("arn:aws:firehose:EU-west-1:123456789012:deliverystream/a", Region),
        ("arn:aws:firehose:e-west-1:123456789012:deliverystream/a", Region),
        ("arn:aws:firehose:usa-east-1:123456789012:deliverystream/a", Region),
        ("arn:aws:firehose:eu-w3st-1:123456789012:deliverystream/a", Region),
        ("arn:aws:firehose:eu-abcdefghijklmnopqrstuvwxyzab-1:123456789012:deliverystream/a", Region),
        ("arn:aws:firehose:eu-west-1:account-id:deliverystream/a", Account),
        ("arn:aws:firehose:eu-west-1:12345678901:deliverystream/a", Account),
        ("arn:aws:firehose:eu-west-1:1234567890123:deliverystream/a", Account),
        ("arn:aws:firehose:eu-west-1:12345678901x:deliverystream/a", Account),
        ("arn:aws:firehose:eu-west-1:123456789012:stream/a", Name),
        ("arn:aws:firehose:eu-west-1:123456789012:deliverystream", Name),
        ("arn:aws:firehose:eu-west-1:123456789012:deliverystream/", Name),
        ("arn:aws:firehose:eu-west-1:123456789012:deliverystream/a b", Name),
        ("arn:aws:firehose:eu-west-1:123456789012:deliverystream/a:b", Name),
        ("arn:aws:firehose:eu-west-1:123456789012:deliverystream/a/b", Name),
        ("arn:aws:firehose:eu-west-1:123456789012:deliverystream/*", Name),
        ("arn:aws:firehose:eu-west-1:123456789012:deliverystream/a\n", Name),
        ("arn:aws:firehose:eu-west-1:123456789012:deliverystream/\u{e4}", Name),
    ] {
        assert_eq!(DeliveryStreamArn::parse(text), Err(expected), "{text}");
    }
}

#[test]
fn a_name_has_at_most_64_characters() {
    let arn = |length| format!("arn:aws:firehose:eu-west-1:123456789012:deliverystream/{}", "n".repeat(length));
    assert_eq!(DeliveryStreamArn::parse(&arn(64)).unwrap().name.len(), 64);
    assert_eq!(DeliveryStreamArn::parse(&arn(65)), Err(ArnError::Name));
}

proptest! {
    #[test]
    fn all_that_the_document_allows_is_accepted(
        text in string_regex(
            "arn:aws:firehose:[a-z]{2}-[a-z]{1,27}-[0-9]:[0-9]{12}:deliverystream/[a-zA-Z0-9_.-]{1,64}",
        ).unwrap(),
    ) {
        prop_assert!(Regex::new(DOCUMENT).unwrap().is_match(&text));
        let arn = DeliveryStreamArn::parse(&text).unwrap();
        let DeliveryStreamArn { partition, region, name, .. } = arn;
        let start = format!("arn:{partition}:firehose:{region}:");
        prop_assert_eq!(format!("{start}{}:deliverystream/{name}", &text[start.len()..start.len() + 12]), text);
    }

    #[test]
    fn one_changed_character_is_judged_as_by_the_pattern(
        text in string_regex(
            "arn:aws(-[a-z]{1,5})?:firehose:[a-z]{2}(-[a-z]{1,5}){1,2}-[0-9]:[0-9]{12}:deliverystream/[a-zA-Z0-9_.-]{1,64}",
        ).unwrap(),
        place in proptest::prelude::any::<proptest::sample::Index>(),
        character in string_regex("[a-zA-Z0-9:/ .\u{e4}\u{0663}\n-]?").unwrap(),
    ) {
        let mut changed = text;
        let place = place.index(changed.len());
        changed.replace_range(place..=place, &character);
        let accepted = Regex::new(ACCEPTED).unwrap().is_match(&changed);
        prop_assert_eq!(DeliveryStreamArn::parse(&changed).is_ok(), accepted, "{}", changed);
    }

    #[test]
    fn any_text_is_judged_without_a_panic(text in ".{0,100}") {
        let accepted = Regex::new(ACCEPTED).unwrap().is_match(&text);
        prop_assert_eq!(DeliveryStreamArn::parse(&text).is_ok(), accepted);
    }
}

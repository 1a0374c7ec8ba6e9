//! Several records of a delivery stream in one of the service.

use firehose_connector::limits::{
    BATCH_PACKED, BATCH_RECORDS, BILLED_BYTES, PACK_RECORDS, RECORD_BYTES, STATUS_QUEUE_BYTES_MIN,
};
use firehose_connector::relay::Accepted;
use firehose_connector::relay::message::BINARY_TOPIC;
use firehose_connector::relay::outcome::{Outcome, RecordOutcome};
use firehose_connector::relay::pack::{Delimiter, Packing};

use crate::support::scenario::{Broker, DEFAULT, Scenario, Sent, Setup, delivered, rejected};

/// Records are packed up to so many bytes, with a line feed between them.
fn lines(bytes: usize) -> Packing {
    Packing { bytes, delimiter: Delimiter::new(b"\n").unwrap(), ..Packing::OFF }
}

fn scenario(packing: Packing) -> Scenario {
    Scenario::new(Setup { packing, ..Setup::default() })
}

/// The records in a request, as a destination gets them that splits at line feeds.
fn split(sent: &Sent) -> Vec<String> {
    let texts = sent.data.iter().map(|data| str::from_utf8(data).unwrap());
    texts.flat_map(|text| text.split('\n').map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn what_waits_for_an_interval_goes_as_lines_of_one_record_and_each_is_answered_with_its_id() {
    let mut s = scenario(lines(BILLED_BYTES));
    for (id, data) in [("1", "a"), ("2", ""), ("3", "ccc")] {
        s.publish_json(id, data);
    }
    let sent = s.at(10_000).expect_batch(DEFAULT, &["a\n\nccc"]);
    s.answer(sent, &[delivered("the-pack")]);
    let status = |id: u8| format!(r#"{{"firehose_record_id":"the-pack","id":"{id}","status":"success"}}"#);
    s.expect_status(&format!(r#"{{"response":[{},{},{}]}}"#, status(1), status(2), status(3)));
    assert_eq!((s.relay().counters().succeeded, s.relay().counters().packs), (3, 1));
}

#[test]
fn fifty_readings_of_100_bytes_are_billed_as_one_and_the_next_begins_another() {
    for (at_end, fit) in [(true, BILLED_BYTES / 101), (false, (BILLED_BYTES + 1) / 101)] {
        let mut s = scenario(Packing { at_end, ..lines(BILLED_BYTES) });
        for _ in 0..51 {
            s.publish_json("", &"x".repeat(100));
        }
        let sent = s.at(10_000).expect_sent(DEFAULT);
        let (whole, rest) = (fit * 101 - usize::from(!at_end), 100 + usize::from(at_end));
        assert_eq!(sent.data.iter().map(Vec::len).collect::<Vec<_>>(), [whole, rest]);
        s.deliver(sent);
        s.take_statuses();
    }
}

#[test]
fn a_pack_may_be_full_to_the_byte_with_the_delimiter_at_its_end() {
    for (last, packs) in [(95, 1), (96, 2)] {
        let mut s = scenario(Packing { at_end: true, delimiter: Delimiter::new(b"--").unwrap(), ..lines(100) });
        s.publish_json("", "a");
        s.publish_json("", &"b".repeat(last));
        let sent = s.at(10_000).expect_sent(DEFAULT);
        assert_eq!(sent.data.len(), packs);
        assert!(sent.data.iter().all(|data| data.len() <= 100 && data.ends_with(b"--")));
        s.deliver(sent);
        s.take_statuses();
    }
}

#[test]
fn no_pack_has_more_records_than_the_service_takes_out_of_one() {
    let mut s = scenario(lines(RECORD_BYTES));
    for number in 0..PACK_RECORDS + 1 {
        s.publish_json("", &number.to_string());
    }
    let sent = s.at(10_000).expect_sent(DEFAULT);
    let counts: Vec<_> = sent.data.iter().map(|data| data.split(|byte| *byte == b'\n').count()).collect();
    assert_eq!(counts, [PACK_RECORDS, 1]);
    assert_eq!(split(&sent), (0..PACK_RECORDS + 1).map(|number| number.to_string()).collect::<Vec<_>>());
    s.deliver(sent);
    s.take_statuses();
}

#[test]
fn a_record_longer_than_a_pack_goes_alone_and_order_is_kept() {
    let mut s = scenario(lines(10));
    for data in ["a", "b", "eleven bytes", "c", "ten bytes.", "d", "e"] {
        s.publish_json("", data);
    }
    let sent = s.at(10_000).expect_batch(DEFAULT, &["a\nb", "eleven bytes", "c", "ten bytes.", "d\ne"]);
    s.deliver(sent);
    s.take_statuses();
}

#[test]
fn binary_publishes_are_packed_when_asked_for_only() {
    for (binary, packs) in [(false, vec!["a", "b", "c", "d"]), (true, vec!["a\nb\nc\nd"])] {
        let mut s = scenario(Packing { binary, ..lines(100) });
        s.publish_json("", "a");
        s.publish_binary("", b"b");
        s.publish_binary("", b"c");
        s.publish_json("", "d");
        let sent = s.at(10_000).expect_batch(DEFAULT, &packs);
        s.deliver(sent);
        s.take_statuses();
    }
}

#[test]
fn records_of_different_delivery_streams_never_share_a_pack() {
    let mut s = scenario(lines(100));
    for round in 0..3 {
        s.publish_json("", &format!("a{round}"));
        s.publish_to("other", "", &format!("b{round}"));
    }
    let one = s.at(10_000).expect_batch(DEFAULT, &["a0\na1\na2"]);
    let other = s.expect_batch("other", &["b0\nb1\nb2"]);
    s.deliver(one);
    s.deliver(other);
    s.take_statuses();
}

#[test]
fn a_partial_failure_resends_the_records_of_the_failed_pack_and_no_others() {
    let mut s = scenario(lines(4));
    for data in ["a1", "b", "c3", "d", "e5", "f"] {
        s.publish_json(data, data);
    }
    let sent = s.at(10_000).expect_batch(DEFAULT, &["a1\nb", "c3\nd", "e5\nf"]);
    let settled = s.answer(sent, &[delivered("x"), RecordOutcome::Retry, delivered("y")]);
    assert_eq!((settled.succeeded, settled.retried), (4, 2));
    s.wait();
    let sent = s.expect_batch(DEFAULT, &["c3\nd"]);
    s.answer(sent, &[delivered("z")]);
    let statuses = s.take_statuses().concat();
    for (id, pack) in [("a1", "x"), ("b", "x"), ("c3", "z"), ("d", "z"), ("e5", "y"), ("f", "y")] {
        let status = format!(r#"{{"firehose_record_id":"{pack}","id":"{id}","status":"success"}}"#);
        assert_eq!(statuses.matches(&status).count(), 1, "{status} in {statuses}");
    }
    assert_eq!((s.relay().counters().succeeded, s.relay().counters().packs), (6, 3));
}

#[test]
fn an_answer_for_each_record_instead_of_each_pack_says_nothing_about_any() {
    let mut s = scenario(lines(100));
    for data in ["a", "b"] {
        s.publish_json("", data);
    }
    let sent = s.at(10_000).expect_batch(DEFAULT, &["a\nb"]);
    assert_eq!(s.answer(sent, &[delivered("x"), delivered("y")]).retried, 2);
}

#[test]
fn a_pack_that_is_refused_for_good_comes_again_as_single_records_and_only_the_bad_one_fails() {
    let mut s = scenario(lines(100));
    for data in ["good", "bad", "fair"] {
        s.publish_json(data, data);
    }
    let sent = s.at(10_000).expect_batch(DEFAULT, &["good\nbad\nfair"]);
    assert_eq!(s.answer(sent, &[rejected("Code", "one of them is bad")]).retried, 3);
    // The service has answered, so nothing waits for a backoff.
    let sent = s.expect_batch(DEFAULT, &["good", "bad", "fair"]);
    let settled = s.answer(sent, &[delivered("1"), rejected("Code", "it is bad"), delivered("3")]);
    assert_eq!((settled.succeeded, settled.failed, settled.retried), (2, 1, 0));
    let statuses = s.take_statuses().concat();
    assert!(statuses.contains(r#"{"ErrorCode":"Code","ErrorMessage":"it is bad","id":"bad","status":"fail"}"#));
}

#[test]
fn a_record_that_the_service_always_puts_off_holds_back_its_company_three_times_only() {
    let mut s = scenario(lines(100));
    for data in ["good", "bad", "fair"] {
        s.publish_json(data, data);
    }
    let mut sent = s.at(10_000).expect_batch(DEFAULT, &["good\nbad\nfair"]);
    for _ in 0..2 {
        s.answer(sent, &[RecordOutcome::Retry]);
        s.wait();
        sent = s.expect_batch(DEFAULT, &["good\nbad\nfair"]);
    }
    s.answer(sent, &[RecordOutcome::Retry]);
    s.wait();
    let sent = s.expect_batch(DEFAULT, &["good", "bad", "fair"]);
    let settled = s.answer(sent, &[delivered("1"), RecordOutcome::Retry, delivered("3")]);
    assert_eq!((settled.succeeded, settled.retried), (2, 1));
    s.take_statuses();
}

/// A service that answers no request with the record "bad" in it. Answers the sizes of the requests, in records, until
/// all others are delivered.
fn without_the_bad_one(s: &mut Scenario, failure: Outcome<'_>, good: usize) -> Vec<usize> {
    let (mut taken, mut sizes) = (0, Vec::new());
    while taken < good {
        assert!(sizes.len() < 100, "{sizes:?}");
        s.wait();
        while let Some(sent) = s.take_sent() {
            sizes.push(sent.records);
            if split(&sent).iter().any(|line| line == "bad") {
                s.outcome(sent, failure);
            } else {
                taken += s.deliver(sent).succeeded;
            }
        }
    }
    s.take_statuses();
    sizes
}

#[test]
fn one_record_that_breaks_every_request_with_it_is_found_in_its_pack_and_stands_alone() {
    for failure in [Outcome::RetrySplit, Outcome::RetrySmaller] {
        let mut s = scenario(lines(BILLED_BYTES));
        for number in 0..900 {
            s.publish_json("", if number == 321 { "bad" } else { "good" });
        }
        let sizes = without_the_bad_one(&mut s, failure, 899);
        assert_eq!(sizes[0], 900);
        assert!(sizes.contains(&1), "it was sent alone at the end: {sizes:?}");
        assert_eq!(s.relay().held(), 1);
        s.stop();
        s.take_statuses();
    }
}

#[test]
fn a_proxy_that_takes_short_requests_only_gets_smaller_packs() {
    let mut s = scenario(lines(RECORD_BYTES));
    for _ in 0..40 {
        s.publish_json("", &"x".repeat(20_000));
    }
    let (mut taken, mut requests) = (0, 0);
    while taken < 40 {
        let Some(sent) = s.take_sent() else {
            s.wait();
            continue;
        };
        requests += 1;
        assert!(requests < 60);
        if sent.data.iter().map(Vec::len).sum::<usize>() > 100_000 {
            s.outcome(sent, Outcome::TooLarge);
        } else {
            taken += s.deliver(sent).succeeded;
        }
    }
    s.take_statuses();
}

#[test]
fn a_full_batch_goes_at_once_and_no_pack_in_it_is_cut_short() {
    let mut s = scenario(lines(BILLED_BYTES));
    for number in 0..BATCH_PACKED {
        assert_eq!(s.take_sent().map(|sent| sent.records), None, "before record {number}");
        s.publish_json("", &format!("{number:0>10}"));
    }
    let sent = s.expect_sent(DEFAULT);
    let in_one = (BILLED_BYTES + 1) / 11;
    assert_eq!((sent.data.len(), sent.records), (2, 2 * in_one));
    s.deliver(sent);
    // The rest has not waited for its interval.
    s.expect_no_batch();
    let sent = s.at(10_000).expect_sent(DEFAULT);
    assert_eq!(sent.records, BATCH_PACKED - 2 * in_one);
    s.deliver(sent);
    s.take_statuses();
}

#[test]
fn no_batch_has_more_packs_than_the_service_takes_records() {
    let mut s = scenario(lines(100));
    for _ in 0..BATCH_RECORDS + 1 {
        s.publish_json("", &"x".repeat(60));
    }
    let sent = s.at(10_000).expect_sent(DEFAULT);
    assert_eq!((sent.data.len(), sent.records), (BATCH_RECORDS, BATCH_RECORDS));
    s.deliver(sent);
    let sent = s.expect_sent(DEFAULT);
    assert_eq!(sent.records, 1);
    s.deliver(sent);
    s.take_statuses();
}

#[test]
fn a_batch_is_answered_in_the_room_that_statuses_have() {
    let setup = Setup { arena: STATUS_QUEUE_BYTES_MIN + 512 * 1024, packing: lines(BILLED_BYTES), ..Setup::default() };
    let mut s = Scenario::new(setup);
    let id = "i".repeat(224);
    let deliver = |s: &mut Scenario| {
        while let Some(sent) = s.take_sent() {
            let packs = vec![delivered(&id); sent.data.len()];
            s.answer(sent, &packs);
        }
    };
    s.broker(Broker::Busy);
    for number in 0..2400 {
        s.publish_json(&number.to_string(), "0123456789");
        deliver(&mut s);
    }
    s.step_unwatched(10_000);
    deliver(&mut s);
    assert!(s.relay().held() > 0, "the rest waits for room");
    assert_eq!(s.relay().lost_statuses(), 0);
    s.broker(Broker::Takes);
    while s.relay().held() > 0 {
        deliver(&mut s);
        s.step_unwatched(10_000);
    }
    assert_eq!((s.relay().counters().succeeded, s.relay().lost_statuses()), (2400, 0));
    s.take_statuses();
}

#[test]
fn a_delimiter_at_the_end_needs_no_packing_and_stands_behind_binary_data_too() {
    for (version, interval) in [(5, 10), (5, 0), (1, 10)] {
        let packing = Packing { at_end: true, ..lines(0) };
        let mut s = Scenario::new(Setup { version, interval, packing, ..Setup::default() });
        s.publish_json("", "a");
        s.publish_binary("", b"b\x00");
        s.publish_json("", "");
        s.step_unwatched(10_000);
        let mut data = Vec::new();
        while let Some(sent) = s.take_sent() {
            data.extend(sent.data.clone());
            s.deliver(sent);
        }
        assert_eq!(data, [&b"a\n"[..], b"b\x00\n", b"\n"], "version {version}, interval {interval}");
        s.take_statuses();
    }
}

#[test]
fn a_record_that_leaves_no_room_for_the_delimiter_goes_without() {
    for (length, sent_length) in [(RECORD_BYTES - 1, RECORD_BYTES), (RECORD_BYTES, RECORD_BYTES)] {
        let mut s = scenario(Packing { at_end: true, ..lines(RECORD_BYTES) });
        s.publish_binary("", &vec![b'x'; length]);
        let sent = s.at(10_000).expect_sent(DEFAULT);
        assert_eq!(sent.data[0].len(), sent_length);
        s.deliver(sent);
        s.take_statuses();
    }
}

#[test]
fn without_batching_nothing_waits_so_each_record_goes_alone() {
    for (version, interval) in [(5, 0), (1, 10)] {
        let mut s = Scenario::new(Setup { version, interval, packing: lines(BILLED_BYTES), ..Setup::default() });
        let sent: Vec<_> = ["a", "b"]
            .map(|data| {
                s.publish_json("", data);
                s.expect_batch(DEFAULT, &[data])
            })
            .into_iter()
            .collect();
        for sent in sent {
            assert!(sent.single);
            s.deliver(sent);
        }
        s.take_statuses();
    }
}

#[test]
fn publishes_are_safe_when_their_pack_is_delivered() {
    let mut s = scenario(lines(4));
    for id in 0..4 {
        assert_eq!(s.receive("kinesisfirehose/message", br#"{"request":{"data":"12"}}"#), Accepted::Held, "{id}");
    }
    s.publishes_come_again();
    let sent = s.at(10_000).expect_batch(DEFAULT, &["12", "12", "12", "12"]);
    assert_eq!(s.safe(), 0);
    s.answer(sent, &[delivered("x"), RecordOutcome::Retry, delivered("y"), delivered("z")]);
    let before = s.safe();
    s.wait();
    let sent = s.expect_sent(DEFAULT);
    s.deliver(sent);
    s.take_statuses();
    assert!(before < 4 && s.safe() == 4, "{before}");
}

#[test]
fn what_comes_back_from_the_spool_is_packed_unless_it_is_binary() {
    let setup = Setup { spool: Some(64 * 1024), packing: lines(BILLED_BYTES), ..Setup::default() };
    let mut s = Scenario::new(setup);
    for id in 0..3 {
        s.receive("kinesisfirehose/message", format!(r#"{{"request":{{"data":"text {id}"}}}}"#).as_bytes());
        s.receive(&format!("{BINARY_TOPIC}/{id}"), format!("binary {id}").as_bytes());
    }
    s.drain();
    drop(s.take_sent());
    s.step_unwatched(5_000);
    while s.take_sent().is_some() {}
    let (files, _) = s.end();

    let mut s = Scenario::with_files(setup, files);
    let mut data = Vec::new();
    for _ in 0..200 {
        s.step_unwatched(50);
        while let Some(sent) = s.take_sent() {
            data.extend(sent.data.iter().map(|data| String::from_utf8(data.clone()).unwrap()));
            s.deliver(sent);
        }
    }
    s.take_statuses();
    data.sort();
    assert_eq!(data, ["binary 0", "binary 1", "binary 2", "text 0", "text 1", "text 2"]);
}

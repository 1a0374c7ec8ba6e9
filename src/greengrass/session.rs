//! One connection to the nucleus, without I/O: frames and the time in, bytes, news and a deadline out.
//!
//! The token is presented first. Then every topic is subscribed to, each by a request whose stream carries its messages from then
//! on, and statuses are published, each by a request of its own. Requests are numbered one after the other.

use std::collections::VecDeque;

use bytes::Bytes;

use super::event::{Fault, received};
use super::frame::{Frame, flag, kind, put};
use super::outlet::{Outlet, Settled};
use super::request::{RUNNING, connect, end, operation, publish, request, subscription};
use super::subscription::{State, Subscription};
use super::{GreengrassError, Settings};
use crate::limits::greengrass::{ANSWER, CLOUD_BEHIND, CLOUD_STATUSES, HEADERS_BYTES, OUT_BYTES, STATUSES};
use crate::relay::backoff::Jitter;
use crate::relay::message::{COUNTERS_TOPIC, STATUS_TOPIC};
use crate::source::Received;
use crate::time::Instant;

/// What happened.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Each local subscription was answered, so that what is published from now on arrives.
    Ready,
    Publish(Received),
    /// A message of the topic of this number cannot be read.
    Unread(usize),
    /// The topic of this number is not delivered, and why; it is asked for again.
    NotDelivered(usize, String),
    /// The topic of this number is delivered again.
    Delivered(usize),
    /// A status message was not taken, and why.
    StatusRefused(String, Bytes),
    /// No status is taken, or some are again.
    StatusesHeldUp(bool),
}

/// What outlives a connection.
#[derive(Debug)]
pub(super) struct Statuses {
    pub(super) local: Outlet,
    cloud: Outlet,
    /// Since when AWS IoT Core has not taken all that there was for it.
    cloud_since: Option<Instant>,
    /// It is no longer waited for, until it has.
    cloud_is_behind: bool,
    held_up: bool,
    jitter: Jitter,
}

impl Statuses {
    pub(super) fn new(jitter: Jitter) -> Self {
        let (local, cloud) = (Outlet::new(STATUSES, STATUSES), Outlet::new(1, CLOUD_STATUSES));
        Self { local, cloud, cloud_since: None, cloud_is_behind: false, held_up: false, jitter }
    }

    /// Where AWS IoT Core is slower than the local topic, no more are under way than it keeps, or it would have to give some up; but not
    /// for long.
    fn wait_for_cloud(&mut self, now: Instant) {
        self.cloud_since = if self.cloud.is_empty() { None } else { self.cloud_since.or(Some(now)) };
        self.cloud_is_behind = self.cloud_since.is_some_and(|since| since + CLOUD_BEHIND <= now);
    }

    /// Whether the nucleus has taken all of them.
    pub(super) fn is_empty(&self) -> bool {
        self.local.is_empty() && self.cloud.is_empty()
    }
}

/// One connection to the nucleus, as far as it needs no I/O.
pub(super) struct Session<'a> {
    settings: &'a Settings,
    statuses: &'a mut Statuses,
    /// To be written.
    pub(super) out: Vec<u8>,
    news: VecDeque<News>,
    subscriptions: Vec<Subscription>,
    /// Number of the last request.
    stream: i32,
    /// Until then the token has to be taken; `None`: it is.
    accepted_by: Option<Instant>,
    ready: bool,
    /// The end is near: AWS IoT Core is not waited for.
    pub(super) hurry: bool,
}

impl<'a> Session<'a> {
    /// Presents the token.
    pub(super) fn new(now: Instant, settings: &'a Settings, statuses: &'a mut Statuses) -> Self {
        let mut out = Vec::new();
        connect(&mut out, settings.greengrass.token.expose());
        statuses.local.restart(now);
        statuses.cloud.restart(now);
        Self {
            settings,
            statuses,
            out,
            news: VecDeque::new(),
            subscriptions: settings.greengrass.topics.iter().map(|_| Subscription::new(now)).collect(),
            stream: 0,
            accepted_by: Some(now + ANSWER),
            ready: false,
            hurry: false,
        }
    }

    /// Whether the token was taken.
    pub(super) const fn is_accepted(&self) -> bool {
        self.accepted_by.is_none()
    }

    /// Whether a status may be given to [`Session::publish_status`].
    pub(super) fn has_room(&self) -> bool {
        let Statuses { local, cloud, cloud_is_behind, .. } = &*self.statuses;
        let waits_for_cloud = self.settings.greengrass.status_to_cloud && !*cloud_is_behind && !self.hurry;
        // Those that are under way to the local topic go there as well.
        let cloud_has_room = !waits_for_cloud || cloud.takes(local.len() + 1);
        self.ready && local.has_room() && cloud_has_room && self.may_write()
    }

    /// Whether the nucleus reads what is written, so that more may be.
    const fn may_write(&self) -> bool {
        self.out.len() < OUT_BYTES
    }

    /// Statuses that wait for answers, or to be sent.
    pub(super) fn awaited(&self) -> usize {
        if self.ready { self.statuses.local.len() + self.statuses.cloud.len() } else { 0 }
    }

    /// Whether no status is under way.
    pub(super) fn is_done(&self) -> bool {
        self.statuses.is_empty()
    }

    /// The next news, after whichever call.
    pub(super) fn news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    /// Takes a frame; answers whether it was one of a subscription. Behind the last that is there, [`Session::go_on`] has to be called.
    pub(super) fn take(&mut self, now: Instant, frame: &Frame) -> Result<bool, GreengrassError> {
        match frame.kind {
            kind::CONNECT_ACK if frame.flags & flag::ACCEPTED != 0 => self.accepted_by = None,
            kind::CONNECT_ACK => return Err(GreengrassError::Refused),
            kind::PROTOCOL_ERROR | kind::INTERNAL_ERROR => {
                return Err(GreengrassError::Ended(Fault::of(frame).to_string()));
            }
            kind::PING if frame.payload.len() <= HEADERS_BYTES && self.may_write() => {
                put(&mut self.out, [kind::PING_RESPONSE, 0, frame.stream], &[], &frame.payload);
            }
            kind::MESSAGE | kind::ERROR if frame.stream > 0 => return Ok(self.on_stream(now, frame)),
            _ => {}
        }
        Ok(false)
    }

    /// Takes a status message that is to be published.
    pub(super) fn publish_status(&mut self, now: Instant, message: Bytes) -> Result<(), GreengrassError> {
        self.statuses.local.push(now, message);
        self.go_on(now)
    }

    /// Publishes counters. Whether they are taken makes no difference.
    pub(super) fn publish_counters(&mut self, message: &[u8]) -> Result<(), GreengrassError> {
        if !self.may_write() {
            return Ok(());
        }
        self.request(operation::PUBLISH, &publish(COUNTERS_TOPIC, message, false)).map(drop)
    }

    /// When [`Session::go_on`] has to be called.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.accepted_by.is_some() {
            return self.accepted_by;
        }
        let statuses = &self.statuses;
        let held_up = statuses.local.held_up_at().filter(|_| !statuses.held_up);
        let subscriptions = self.subscriptions.iter().zip(&self.settings.greengrass.topics);
        let subscriptions = subscriptions.map(|(subscription, topic)| subscription.deadline(topic.cloud));
        let behind = statuses.cloud_since.filter(|_| !statuses.cloud_is_behind).map(|since| since + CLOUD_BEHIND);
        let may_write = self.may_write();
        let deadlines = [held_up, behind, statuses.local.deadline(may_write), statuses.cloud.deadline(may_write)];
        deadlines.into_iter().flatten().chain(subscriptions).min()
    }

    /// Does what is due.
    pub(super) fn go_on(&mut self, now: Instant) -> Result<(), GreengrassError> {
        match self.accepted_by {
            Some(end) if end <= now => return Err(GreengrassError::Silent("the token")),
            Some(_) => return Ok(()),
            None => {}
        }
        for index in 0..self.subscriptions.len() {
            self.subscribe_if_due(now, index)?;
        }
        if self.statuses.local.overdue(now).is_some() {
            return Err(GreengrassError::Silent("a status"));
        }
        if let Some(stream) = self.statuses.cloud.overdue(now) {
            self.settle(now, true, stream, Err(Fault::silent()));
        }
        self.publish_if_due(now, false)?;
        self.publish_if_due(now, true)?;
        self.statuses.wait_for_cloud(now);
        if !self.statuses.held_up && self.statuses.local.held_up_at().is_some_and(|at| at <= now) {
            self.statuses.held_up = true;
            self.news.push_back(News::StatusesHeldUp(true));
        }
        if !self.ready && self.local_subscriptions_are_answered() {
            self.ready = true;
            self.news.push_back(News::Ready);
            // Of a recipe without "startup" it says nothing new.
            self.request(operation::UPDATE_STATE, RUNNING)?;
        }
        Ok(())
    }

    fn local_subscriptions_are_answered(&self) -> bool {
        let topics = &self.settings.greengrass.topics;
        self.subscriptions.iter().zip(topics).all(|(subscription, topic)| topic.cloud || subscription.answered)
    }

    fn subscribe_if_due(&mut self, now: Instant, index: usize) -> Result<(), GreengrassError> {
        let topic = &self.settings.greengrass.topics[index];
        let subscription = &mut self.subscriptions[index];
        if subscription.deadline(topic.cloud) > now {
            return Ok(());
        }
        match subscription.state {
            State::Asked(_) if !topic.cloud => return Err(GreengrassError::Silent("a subscription")),
            State::Asked(_) => {
                end(&mut self.out, subscription.stream);
                self.not_delivered(now, index, &Fault::silent());
                return Ok(());
            }
            State::Waits(_) | State::Granted(_) => {}
        }
        let operation = if topic.cloud { operation::SUBSCRIBE_CLOUD } else { operation::SUBSCRIBE };
        let stream = self.request(operation, &subscription_to(topic))?;
        self.subscriptions[index].asked(now, stream);
        Ok(())
    }

    /// Ends all subscriptions, before the connection is closed. Nucleus lite 2.6.0 may hang for good, for all components, where a
    /// connection that a message is being sent over is closed with a subscription: `ggl_socket_pool_release` and the thread of
    /// `core-bus/src/client_subscribe.c` then wait for each other's mutex.
    pub(super) fn leave(&mut self) {
        for subscription in &self.subscriptions {
            for stream in subscription.streams().into_iter().filter(|stream| *stream != 0) {
                end(&mut self.out, stream);
            }
        }
    }

    fn not_delivered(&mut self, now: Instant, index: usize, fault: &Fault) {
        let cloud = self.settings.greengrass.topics[index].cloud;
        self.subscriptions[index].failed(now, fault, cloud, &mut self.statuses.jitter);
        self.news.push_back(News::NotDelivered(index, fault.to_string()));
    }

    fn publish_if_due(&mut self, now: Instant, cloud: bool) -> Result<(), GreengrassError> {
        let operation = if cloud { operation::PUBLISH_CLOUD } else { operation::PUBLISH };
        while self.may_write() {
            let outlet = if cloud { &self.statuses.cloud } else { &self.statuses.local };
            let Some(message) = outlet.due(now) else { return Ok(()) };
            let payload = publish(STATUS_TOPIC, message, cloud);
            let stream = self.request(operation, &payload)?;
            if cloud { &mut self.statuses.cloud } else { &mut self.statuses.local }.sent(now, stream);
        }
        Ok(())
    }

    fn request(&mut self, operation: &str, payload: &[u8]) -> Result<i32, GreengrassError> {
        self.stream = self.stream.checked_add(1).ok_or(GreengrassError::UsedUp)?;
        request(&mut self.out, self.stream, operation, payload);
        Ok(self.stream)
    }

    /// A message or an error of a request, if it is not one of those whose answer makes no difference; answers whether that is a
    /// subscription.
    fn on_stream(&mut self, now: Instant, frame: &Frame) -> bool {
        if let Some(index) = self.subscriptions.iter().position(|subscription| subscription.is_by(frame.stream)) {
            self.on_subscription(now, index, frame);
            return true;
        }
        if self.statuses.local.is_by(frame.stream) {
            self.settle(now, false, frame.stream, answer(frame));
        } else if self.statuses.cloud.is_by(frame.stream) {
            self.settle(now, true, frame.stream, answer(frame));
        }
        false
    }

    fn on_subscription(&mut self, now: Instant, index: usize, frame: &Frame) {
        let subscription = &mut self.subscriptions[index];
        let is_asked = subscription.stream == frame.stream && matches!(subscription.state, State::Asked(_));
        if frame.kind == kind::ERROR && subscription.stream == frame.stream {
            return self.not_delivered(now, index, &Fault::of(frame));
        }
        if is_asked {
            let (had_failed, former) = subscription.granted(now);
            if had_failed {
                self.news.push_back(News::Delivered(index));
            }
            if let Some(former) = former {
                // One that lives on would deliver everything twice.
                end(&mut self.out, former);
            }
        } else {
            subscription.heard(now);
        }
        // Of nucleus lite a message may come before the answer.
        let filter = &self.settings.greengrass.topics[index].filter;
        let received = received(frame, filter, self.settings.frame_bytes);
        if received.is_none() && frame.model.ends_with(b"Message") {
            self.news.push_back(News::Unread(index));
        }
        // Our own come back to a subscription that covers them.
        let is_ours = |received: &Received| [STATUS_TOPIC, COUNTERS_TOPIC].iter().any(|ours| received.topic == ours);
        let received = received.filter(|received| !is_ours(received));
        if let Some(received) = received
            && !self.subscriptions[index].is_repeated(now, frame.stream, &received)
        {
            self.news.push_back(News::Publish(received));
        }
        if frame.flags & flag::TERMINATE != 0 {
            if frame.stream == self.subscriptions[index].stream {
                self.news.push_back(News::NotDelivered(index, "it has ended the subscription".to_owned()));
            }
            self.subscriptions[index].ended(now, frame.stream, &mut self.statuses.jitter);
        }
    }

    fn settle(&mut self, now: Instant, cloud: bool, stream: i32, answer: Result<(), Fault>) {
        let statuses = &mut *self.statuses;
        let outlet = if cloud { &mut statuses.cloud } else { &mut statuses.local };
        let settled = outlet.settle(now, stream, &answer, &mut statuses.jitter);
        if settled != Settled::Later && !cloud && core::mem::take(&mut statuses.held_up) {
            self.news.push_back(News::StatusesHeldUp(false));
        }
        match (settled, answer) {
            (Settled::Taken(message), _) if !cloud && self.settings.greengrass.status_to_cloud => {
                if let Some(oldest) = statuses.cloud.push(now, message) {
                    let reason = "AWS IoT Core takes none, or not fast enough, and others wait for it".to_owned();
                    self.news.push_back(News::StatusRefused(reason, oldest));
                }
            }
            (Settled::Refused(message), Err(fault)) => {
                let mut reason = fault.to_string();
                if cloud {
                    reason.insert_str(0, "AWS IoT Core: ");
                }
                self.news.push_back(News::StatusRefused(reason, message));
            }
            _ => {}
        }
    }
}

fn subscription_to(topic: &crate::config::PubsubTopic) -> Vec<u8> {
    subscription(&topic.filter, topic.cloud)
}

fn answer(frame: &Frame) -> Result<(), Fault> {
    if frame.kind == kind::ERROR { Err(Fault::of(frame)) } else { Ok(()) }
}

#[cfg(test)]
mod tests;

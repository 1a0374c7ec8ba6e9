//! `credential_process` of a profile: a program that prints credentials (AWS SDKs, "Process credential provider").
//!
//! It is run by the shell, as by the AWS CLI, without input and without our memory limit. After the deadline it is
//! killed with all that it started.

use core::{error, fmt};
use std::io;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::{
    endpoint::complaint,
    reply::{self, Fields, ReplyError},
};
use crate::{firehose::credentials::Credentials, limits::credentials as limits};

pub(super) const FIELDS: Fields = Fields {
    marker: Some(("Version", "1")),
    access_key_id: "AccessKeyId",
    secret_access_key: "SecretAccessKey",
    session_token: "SessionToken",
    expiration: "Expiration",
};

/// Our own data limit does not apply to the program, only the limit with which this process was started.
const UNLIMITED: &str = "ulimit -S -d \"$(ulimit -H -d)\" 2>/dev/null\n";

pub(super) async fn credentials(command: &str) -> Result<Credentials, ProcessError> {
    let child = Command::new("/bin/sh")
        .args(["-c", &format!("{UNLIMITED}{command}")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(ProcessError::NotStarted)?;
    let mut group = Group(child);
    let (status, output, said) = match timeout(limits::FETCH_TIMEOUT, group.finish()).await {
        Ok(finished) => finished.map_err(ProcessError::NotRead)?,
        Err(_) => return Err(ProcessError::TimedOut),
    };
    if !status.success() {
        return Err(ProcessError::Failed { status, text: complaint(&said) });
    }
    if output.len() > limits::MAX_REPLY {
        return Err(ProcessError::TooLong);
    }
    reply::parse(&output, &FIELDS).map_err(ProcessError::NotCredentials)
}

/// A process group; it is killed when this is dropped.
struct Group(Child);

impl Group {
    async fn finish(&mut self) -> io::Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
        let (output, complaint) = (self.0.stdout.take(), self.0.stderr.take());
        let (output, complaint) = tokio::try_join!(read(output), read(complaint))?;
        Ok((self.0.wait().await?, output, complaint))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // After the process was waited for, its id may be reused; `id` is then `None`. tokio reaps a killed one.
        let pid = self.0.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        if let Some(pid) = pid {
            let _: Result<(), _> = kill_process_group(pid, Signal::KILL);
        }
    }
}

/// Reads to the end, and keeps little more than [`limits::MAX_REPLY`] bytes.
async fn read(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    let Some(mut pipe) = pipe else { return Ok(kept) };
    let mut part = [0; 1024];
    loop {
        let length = pipe.read(&mut part).await?;
        if length == 0 {
            return Ok(kept);
        }
        if kept.len() <= limits::MAX_REPLY {
            kept.extend_from_slice(&part[..length]);
        }
    }
}

/// Why the process gave no credentials. What it printed is not shown.
#[derive(Debug)]
pub enum ProcessError {
    /// The shell cannot be started.
    NotStarted(io::Error),
    /// Its output cannot be read.
    NotRead(io::Error),
    /// It took longer than [`limits::FETCH_TIMEOUT`].
    TimedOut,
    /// It exited with a status other than 0.
    Failed {
        /// Its exit status.
        status: ExitStatus,
        /// Its standard error, as far as that can be shown.
        text: String,
    },
    /// It printed more than [`limits::MAX_REPLY`] bytes.
    TooLong,
    /// Its output is not credentials.
    NotCredentials(ReplyError),
}

impl fmt::Display for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("credential_process ")?;
        match self {
            Self::NotStarted(_) => f.write_str("cannot be started by /bin/sh"),
            Self::NotRead(_) => f.write_str("cannot be read from"),
            Self::TimedOut => write!(f, "was stopped: it took longer than {} s", limits::FETCH_TIMEOUT.as_secs()),
            Self::Failed { status, text } if text.is_empty() => write!(f, "fails ({status})"),
            Self::Failed { status, text } => write!(f, "fails ({status}): {text}"),
            Self::TooLong => write!(f, "prints more than {} bytes", limits::MAX_REPLY),
            Self::NotCredentials(_) => f.write_str("prints something else than credentials"),
        }
    }
}

impl error::Error for ProcessError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::NotStarted(cause) | Self::NotRead(cause) => Some(cause),
            Self::NotCredentials(cause) => Some(cause),
            Self::TimedOut | Self::Failed { .. } | Self::TooLong => None,
        }
    }
}

#[cfg(test)]
mod tests;

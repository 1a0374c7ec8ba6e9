//! What prevents a start.

use core::{error, fmt};

use crate::config::{ConfigError, Problem};
use crate::transport::tls::TlsError;

/// Why the process cannot start.
#[derive(Debug)]
pub enum Fault {
    /// The definition or a variable is wrong.
    Config(ConfigError),
    /// `MemorySize` is too small.
    Memory(Problem),
    /// A certificate or key file cannot be used.
    Tls(TlsError),
    /// The system allows too few open files.
    OpenFiles {
        /// That many.
        allowed: u64,
        /// So many are needed.
        needed: u64,
    },
    /// The system allows too little stack.
    Stack {
        /// That much, bytes.
        allowed: u64,
        /// So much is needed, bytes.
        needed: u64,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Memory(problem) => problem.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::OpenFiles { allowed, needed } => {
                write!(f, "the system allows {allowed} open files, {needed} are needed (ulimit -n, LimitNOFILE=)")
            }
            Self::Stack { allowed, needed } => {
                let [allowed, needed] = [allowed, needed].map(|bytes| bytes / 1024);
                write!(f, "the system allows {allowed} KB of stack, {needed} are needed (ulimit -s, LimitSTACK=)")
            }
        }
    }
}

impl error::Error for Fault {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Tls(error) => error.source(),
            Self::Config(_) | Self::Memory(_) | Self::OpenFiles { .. } | Self::Stack { .. } => None,
        }
    }
}

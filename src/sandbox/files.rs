//! Landlock: which files may be read, and which TCP ports connected to. No program may be started, and no file written,
//! created or removed, except in the spool.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus, NetPort,
    RestrictionStatus, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, Scope, make_bitflags,
    path_beneath_rules,
};

use super::needs::Needs;
use super::reach;

/// The newest version of Landlock whose rules are used: 6, of Linux 6.12. Later ones only add what is not needed here.
const NEWEST: ABI = ABI::V6;

/// What the kernel enforces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enforced {
    /// Landlock of this version.
    Version(u8),
    /// Nothing, for this reason.
    Nothing(String),
}

impl Enforced {
    /// What is not enforced, and why or which Linux version would; `None`: everything is enforced.
    pub fn missing(&self) -> Option<String> {
        match self {
            Self::Version(4..) => None,
            Self::Version(_) => Some("TCP ports (Landlock of Linux 6.7)".to_owned()),
            Self::Nothing(why) => Some(format!("files and TCP ports ({why})")),
        }
    }
}

/// Restricts this thread, and those it starts, to the files and ports of `needs`.
#[must_use]
pub fn restrict(needs: &Needs) -> Enforced {
    match ruleset(needs) {
        Ok(RestrictionStatus { landlock: LandlockStatus::Available { effective_abi, .. }, .. }) => {
            reach::remember(&needs.folders);
            Enforced::Version(effective_abi as u8)
        }
        Ok(_) => Enforced::Nothing(
            "the kernel has no Landlock, which came with Linux 5.13, or it is switched off".to_owned(),
        ),
        Err(error) => Enforced::Nothing(error.to_string()),
    }
}

/// What the spool does in its directory.
const SPOOL: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadDir | ReadFile | WriteFile | MakeReg | RemoveFile});

fn ruleset(needs: &Needs) -> Result<RestrictionStatus, RulesetError> {
    // The names of all files are known, so folders need not be listed.
    let read = AccessFs::ReadFile;
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .add_rules(path_beneath_rules(&needs.folders, read))?
        .add_rules(path_beneath_rules(&needs.spool, SPOOL))?;
    for port in &needs.ports {
        rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
    }
    rules.restrict_self()
}

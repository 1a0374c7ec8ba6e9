//! Landlock: which files may be read, and which TCP ports connected to. Nothing may be written, made, removed or started.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus, NetPort,
    RestrictionStatus, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, Scope, path_beneath_rules,
};

use super::Needs;

/// The newest version of Landlock whose rules are used: 6, of Linux 6.12. Later ones only add what is not needed here.
const NEWEST: ABI = ABI::V6;

/// What the kernel enforces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Enforced {
    /// Landlock of this version.
    Version(u8),
    /// Nothing, for this reason.
    Nothing(String),
}

impl Enforced {
    /// What is not enforced, and since when kernels do.
    pub(super) fn missing(&self) -> Option<String> {
        match self {
            Self::Version(4..) => None,
            Self::Version(_) => Some("TCP ports (Landlock of Linux 6.7)".to_owned()),
            Self::Nothing(why) => Some(format!("files and TCP ports ({why})")),
        }
    }
}

pub(super) fn restrict(needs: &Needs) -> Enforced {
    match ruleset(needs) {
        Ok(RestrictionStatus { landlock: LandlockStatus::Available { effective_abi, .. }, .. }) => {
            Enforced::Version(effective_abi as u8)
        }
        Ok(_) => Enforced::Nothing(
            "the kernel has no Landlock, which came with Linux 5.13, or it is switched off".to_owned(),
        ),
        Err(error) => Enforced::Nothing(error.to_string()),
    }
}

fn ruleset(needs: &Needs) -> Result<RestrictionStatus, RulesetError> {
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(scopes())?
        .create()?
        .add_rules(path_beneath_rules(&needs.folders, read))?;
    for port in &needs.ports {
        rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
    }
    rules.restrict_self()
}

/// Other processes are out of reach of signals and of sockets without a file, unless that is how the service manager is told.
fn scopes() -> BitFlags<Scope> {
    let notified_without_a_file = std::env::var("NOTIFY_SOCKET").is_ok_and(|path| path.starts_with('@'));
    if notified_without_a_file { Scope::Signal.into() } else { Scope::from_all(NEWEST) }
}

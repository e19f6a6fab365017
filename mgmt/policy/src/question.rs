//! What policy is asked: who, on which route, for which model at which target, about which facts.
//!
//! Everything here is borrowed: a question is made for each request from what the worker already
//! holds, and dies with it. [`QuestionKeys`] stand for the names in the decision cache.

use sluice_contract::facts::Facts;
use sluice_contract::snapshot::{Enforcement, Principal, Trust};

/// Which way the content goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Direction {
    /// From the principal to the model: `invoke`, then `disclose` for each class.
    Request = 0,
    /// From the model to the principal: `answer`, then `receive` for each class.
    Response = 1,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct PrincipalRef<'a> {
    /// Tenant; `default` where there is one only.
    pub tenant: &'a str,
    /// Application that holds the credential.
    pub application: &'a str,
    /// End user, where one is known; the principal is then the user, in its application.
    pub user: Option<&'a str>,
    /// Groups.
    pub groups: &'a [String],
    /// Team.
    pub team: Option<&'a str>,
    /// Project.
    pub project: Option<&'a str>,
    /// What the credential is used for.
    pub use_case: Option<&'a str>,
}

impl<'a> From<&'a Principal> for PrincipalRef<'a> {
    fn from(principal: &'a Principal) -> PrincipalRef<'a> {
        PrincipalRef {
            tenant: &principal.tenant,
            application: &principal.application,
            user: principal.user.as_deref(),
            groups: &principal.groups,
            team: principal.team.as_deref(),
            project: principal.project.as_deref(),
            use_case: principal.use_case.as_deref(),
        }
    }
}

/// The route that the request took.
#[derive(Clone, Copy, Debug)]
pub struct RouteRef<'a> {
    /// Name.
    pub name: &'a str,
    /// Whether decisions are carried out.
    pub enforcement: Enforcement,
    /// Whether content that cannot be inspected may go to external targets; policy has the last
    /// word.
    pub allow_opaque: bool,
}

/// Where the content goes to, or comes from.
#[derive(Clone, Copy, Debug)]
pub struct TargetRef<'a> {
    /// Name of the upstream.
    pub name: &'a str,
    /// Its engine or company.
    pub provider: &'a str,
    /// Whether data leaves the building.
    pub trust: Trust,
    /// Where it stands; empty where that is not known.
    pub region: &'a str,
}

/// Stand-ins of the names of a [`Question`] in the [`crate::DecisionCache`].
///
/// INVARIANT (the caller's): as long as one cache lives without
/// [`crate::DecisionCache::clear`], equal keys mean equal names. An index into a snapshot will do;
/// for what a client chose (a user, a model) only a keyed hash with a secret key, as others can be
/// made to collide.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct QuestionKeys {
    /// Stands for everything in [`PrincipalRef`].
    pub principal: u64,
    /// Stands for everything in [`RouteRef`].
    pub route: u32,
    /// Stands for everything in [`TargetRef`].
    pub target: u32,
    /// Stands for [`Question::model`].
    pub model: u64,
}

/// A question to policy.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Which way the content goes.
    pub direction: Direction,
    /// Who asks.
    pub principal: &'a PrincipalRef<'a>,
    /// The route.
    pub route: &'a RouteRef<'a>,
    /// The model as the client named it.
    pub model: &'a str,
    /// The target in question; each fallback target is asked about on its own.
    pub target: &'a TargetRef<'a>,
    /// What is known of the content.
    pub facts: &'a Facts,
    /// Stand-ins of the names for the cache.
    pub keys: QuestionKeys,
}

//! Reads answers, strictly: what breaks the contract in any way is an error, never a guess.

use exportgate_contract::answer::{HEADER_WORDS, TAG, WORD_OUTCOMES, WORD_TAG};
use exportgate_contract::manifest::Question;

use crate::error::AnswerError;
use crate::plan::Plan;
use crate::request::RequestDecision;

/// Which policies were satisfied, and which erred, at a point: by position in the manifest, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Outcome {
    pub(crate) satisfied: Vec<u32>,
    pub(crate) erring: Vec<u32>,
}

impl Outcome {
    /// Cedar's decision: a permit is satisfied, and no forbid. CEDAR: an erring policy is skipped.
    pub(crate) fn decide(&self, plan: &Plan) -> RequestDecision {
        if self.satisfied.is_empty() || self.satisfied.iter().any(|policy| is_forbid(plan, *policy)) {
            return RequestDecision::Deny;
        }
        RequestDecision::Allow
    }

    /// The satisfied policies that determine the decision: forbids when there are any, else permits.
    pub(crate) fn determining(&self, plan: &Plan) -> Vec<u32> {
        let forbids: Vec<u32> = self.satisfied.iter().copied().filter(|policy| is_forbid(plan, *policy)).collect();
        if forbids.is_empty() { self.satisfied.clone() } else { forbids }
    }
}

/// What isn't known to permit counts as a forbid.
fn is_forbid(plan: &Plan, policy: u32) -> bool {
    usize::try_from(policy).ok().and_then(|policy| plan.forbids.get(policy)).copied().unwrap_or(true)
}

/// What was answered: the outcomes, and for each question asked the position of its outcome at each of its points.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answers {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) points: Vec<Vec<u32>>,
}

/// Reads the answer to `asked`: each question with its id and how many points it has.
///
/// # Errors
///
/// [`AnswerError`] for anything that the contract doesn't say.
pub(crate) fn read(words: &[u32], plan: &Plan, asked: &[(u32, &Question, usize)]) -> Result<Answers, AnswerError> {
    let header =
        |word: usize| words.get(word).copied().ok_or(AnswerError::Truncated { words: words.len(), part: "the header" });
    let tag = header(WORD_TAG)?;
    if tag != TAG {
        return Err(AnswerError::Tag { expected: TAG, found: tag });
    }
    let count = header(WORD_OUTCOMES)?;
    let mut rest = words.get(HEADER_WORDS..).unwrap_or_default();
    let outcomes = read_outcomes(words.len(), count, &mut rest, plan)?;
    let mut points = Vec::with_capacity(asked.len());
    for (id, question, expected) in asked {
        let Some((here, left)) = rest.split_at_checked(*expected) else {
            return Err(AnswerError::Truncated { words: words.len(), part: "the points" });
        };
        rest = left;
        check_points(here, *id, question, &outcomes)?;
        points.push(here.to_vec());
    }
    if rest.is_empty() { Ok(Answers { outcomes, points }) } else { Err(AnswerError::Trailing { words: rest.len() }) }
}

fn read_outcomes(words: usize, count: u32, rest: &mut &[u32], plan: &Plan) -> Result<Vec<Outcome>, AnswerError> {
    // Each takes two words at least: checked before room is made for them.
    let fits = usize::try_from(count).is_ok_and(|count| count <= rest.len() / 2);
    if !fits {
        return Err(AnswerError::TooManyOutcomes { outcomes: count, words });
    }
    let mut outcomes = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    for outcome in 0..usize::try_from(count).unwrap_or(0) {
        let [satisfied, erring, left @ ..] = *rest else {
            return Err(AnswerError::Truncated { words, part: "the outcomes" });
        };
        let policies = u64::from(*satisfied) + u64::from(*erring);
        let too_many = AnswerError::TooManyPolicies { outcome, policies, left: left.len() };
        let split = |list: &'_ [u32], count: u32| usize::try_from(count).is_ok_and(|count| count <= list.len());
        if !split(left, *satisfied) {
            return Err(too_many);
        }
        let (satisfied, left) = left.split_at(usize::try_from(*satisfied).unwrap_or(0));
        if !split(left, *erring) {
            return Err(too_many);
        }
        let (erring, left) = left.split_at(usize::try_from(*erring).unwrap_or(0));
        check_policies(outcome, satisfied, plan)?;
        check_policies(outcome, erring, plan)?;
        if let Some(policy) = satisfied.iter().find(|policy| erring.binary_search(policy).is_ok()) {
            return Err(AnswerError::SatisfiedAndErring { outcome, policy: *policy });
        }
        outcomes.push(Outcome { satisfied: satisfied.to_vec(), erring: erring.to_vec() });
        *rest = left;
    }
    Ok(outcomes)
}

fn check_policies(outcome: usize, list: &[u32], plan: &Plan) -> Result<(), AnswerError> {
    let policies = plan.manifest.policies.len();
    for (policy, previous) in list.iter().zip(std::iter::once(None).chain(list.iter().map(Some))) {
        if usize::try_from(*policy).map_or(true, |policy| policy >= policies) {
            return Err(AnswerError::UnknownPolicy { outcome, policy: *policy, policies });
        }
        if let Some(previous) = previous.filter(|previous| *previous >= policy) {
            return Err(AnswerError::NotAscending { outcome, previous: *previous, policy: *policy });
        }
    }
    Ok(())
}

/// Checks that the points name outcomes that are there, and whose policies belong to the question.
fn check_points(points: &[u32], id: u32, question: &Question, outcomes: &[Outcome]) -> Result<(), AnswerError> {
    let mut checked = vec![false; outcomes.len()];
    for (point, index) in points.iter().enumerate() {
        let outcome = usize::try_from(*index).unwrap_or(usize::MAX);
        let (Some(used), Some(seen)) = (outcomes.get(outcome), checked.get_mut(outcome)) else {
            return Err(AnswerError::UnknownOutcome { question: id, point, outcome: *index, outcomes: outcomes.len() });
        };
        if *seen {
            continue;
        }
        *seen = true;
        let foreign = |policy: &&u32| question.policies.binary_search(policy).is_err();
        if let Some(policy) = used.satisfied.iter().chain(&used.erring).find(foreign) {
            return Err(AnswerError::ForeignPolicy { question: id, outcome, policy: *policy });
        }
    }
    Ok(())
}

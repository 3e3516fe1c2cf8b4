//! Reads answers, strictly: what breaks the contract in any way is an error, never a guess.

use exportgate_contract::answer::{HEADER_WORDS, TAG, WORD_OUTCOMES, WORD_TAG};
use exportgate_contract::manifest::Question;
use hashbrown::HashMap;

use crate::error::AnswerError;
use crate::plan::{Plan, position};
use crate::request::RequestDecision;

/// Which policies were satisfied, and which erred, at a point: by position in the manifest, ascending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome<'a> {
    pub(crate) satisfied: &'a [u32],
    pub(crate) erring: &'a [u32],
}

impl<'a> Outcome<'a> {
    /// Cedar's decision: a permit is satisfied, and no forbid. CEDAR: an erring policy is skipped.
    pub(crate) fn decide(self, plan: &Plan) -> RequestDecision {
        if self.satisfied.is_empty() || self.satisfied.iter().any(|policy| is_forbid(plan, *policy)) {
            return RequestDecision::Deny;
        }
        RequestDecision::Allow
    }

    /// The satisfied policies that determine the decision: forbids when there are any, else permits.
    pub(crate) fn determining<'p>(self, plan: &'p Plan) -> impl Iterator<Item = u32> + use<'a, 'p> {
        let forbidden = self.satisfied.iter().any(|policy| is_forbid(plan, *policy));
        self.satisfied.iter().copied().filter(move |policy| !forbidden || is_forbid(plan, *policy))
    }
}

/// What isn't known to permit counts as a forbid.
fn is_forbid(plan: &Plan, policy: u32) -> bool {
    plan.forbids.get(position(policy)).copied().unwrap_or(true)
}

/// What was answered: the outcomes, and for each question asked the position of its outcome at each of its points. Used
/// again and again.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// The policies of all outcomes, one list after the other.
    policies: Vec<u32>,
    outcomes: Vec<Lists>,
    points: Vec<Vec<u32>>,
    /// How many of `points` are of the questions asked last.
    questions: usize,
    /// For each outcome whether it was found to fit the question at hand.
    checked: Vec<bool>,
    /// What the outcomes of a later call are in all.
    renumbered: Vec<u32>,
}

/// Where an outcome's policies stand.
#[derive(Clone, Copy, Debug)]
struct Lists {
    start: usize,
    satisfied: usize,
    erring: usize,
    allows: bool,
}

impl Answers {
    /// How many outcomes there are.
    pub(crate) fn outcomes(&self) -> usize {
        self.outcomes.len()
    }

    /// The outcome at a position.
    pub(crate) fn outcome(&self, number: u32) -> Option<Outcome<'_>> {
        let lists = self.outcomes.get(position(number))?;
        let policies = self.policies.get(lists.start..)?;
        let (satisfied, rest) = policies.split_at_checked(lists.satisfied)?;
        Some(Outcome { satisfied, erring: rest.get(..lists.erring)? })
    }

    /// Whether the outcome at a position allows. INVARIANT: every point names an outcome. What doesn't is no allowance.
    pub(crate) fn allows(&self, number: u32) -> bool {
        self.outcomes.get(position(number)).is_some_and(|lists| lists.allows)
    }

    /// Whether any policy erred.
    pub(crate) fn erred(&self) -> bool {
        self.outcomes.iter().any(|lists| lists.erring > 0)
    }

    /// The outcomes of the question at a place among those asked, at its points.
    pub(crate) fn points(&self, place: usize) -> Option<&[u32]> {
        if place >= self.questions {
            return None;
        }
        self.points.get(place).map(Vec::as_slice)
    }

    /// How many bytes it takes, roughly.
    pub(crate) fn bytes(&self) -> usize {
        let points: usize = self.points.iter().map(Vec::capacity).sum();
        let words = self.policies.capacity().saturating_add(points).saturating_add(self.renumbered.capacity());
        words.saturating_mul(4).saturating_add(self.outcomes.capacity().saturating_mul(size_of::<Lists>()))
    }

    /// Forgets everything, for so many questions.
    pub(crate) fn begin(&mut self, questions: usize) {
        self.policies.clear();
        self.outcomes.clear();
        self.questions = questions;
        if self.points.len() < questions {
            self.points.resize_with(questions, Vec::new);
        }
        self.points.iter_mut().for_each(Vec::clear);
    }

    /// Reads the answer to `asked`: each question with its place, its id and how many points it has. What was read before
    /// is added to, as if one call had been made; `numbers` holds the outcomes known so far, none before the first call
    /// when it is the only one.
    ///
    /// # Errors
    ///
    /// [`AnswerError`] for anything that the contract doesn't say.
    pub(crate) fn read(
        &mut self,
        words: &[u32],
        plan: &Plan,
        asked: &[Asked<'_>],
        numbers: Option<&mut Numbers>,
    ) -> Result<(), AnswerError> {
        let header = |word: usize| {
            words.get(word).copied().ok_or(AnswerError::Truncated { words: words.len(), part: "the header" })
        };
        let tag = header(WORD_TAG)?;
        if tag != TAG {
            return Err(AnswerError::Tag { expected: TAG, found: tag });
        }
        let count = header(WORD_OUTCOMES)?;
        let mut rest = words.get(HEADER_WORDS..).unwrap_or_default();
        let first = self.outcomes.len();
        self.read_outcomes(words.len(), count, &mut rest, plan)?;
        for question in asked {
            let Some((here, left)) = rest.split_at_checked(question.points) else {
                return Err(AnswerError::Truncated { words: words.len(), part: "the points" });
            };
            rest = left;
            self.check_points(first, here, question)?;
            if let Some(points) = self.points.get_mut(question.place) {
                points.extend_from_slice(here);
            }
        }
        if !rest.is_empty() {
            return Err(AnswerError::Trailing { words: rest.len() });
        }
        if let Some(numbers) = numbers {
            self.renumber(first, asked, numbers);
        }
        Ok(())
    }

    fn read_outcomes(&mut self, words: usize, count: u32, rest: &mut &[u32], plan: &Plan) -> Result<(), AnswerError> {
        // Each takes two words at least: checked before room is made for them.
        let fits = usize::try_from(count).is_ok_and(|count| count <= rest.len() / 2);
        if !fits {
            return Err(AnswerError::TooManyOutcomes { outcomes: count, words });
        }
        self.outcomes.reserve(position(count));
        for outcome in 0..position(count) {
            let [satisfied, erring, left @ ..] = *rest else {
                return Err(AnswerError::Truncated { words, part: "the outcomes" });
            };
            let policies = u64::from(*satisfied) + u64::from(*erring);
            let too_many = || AnswerError::TooManyPolicies { outcome, policies, left: left.len() };
            let (satisfied, after) = left.split_at_checked(position(*satisfied)).ok_or_else(too_many)?;
            let (erring, after) = after.split_at_checked(position(*erring)).ok_or_else(too_many)?;
            check_policies(outcome, satisfied, plan)?;
            check_policies(outcome, erring, plan)?;
            if let Some(policy) = satisfied.iter().find(|policy| erring.binary_search(policy).is_ok()) {
                return Err(AnswerError::SatisfiedAndErring { outcome, policy: *policy });
            }
            let allows = Outcome { satisfied, erring }.decide(plan) == RequestDecision::Allow;
            let start = self.policies.len();
            self.policies.extend_from_slice(satisfied);
            self.policies.extend_from_slice(erring);
            self.outcomes.push(Lists { start, satisfied: satisfied.len(), erring: erring.len(), allows });
            *rest = after;
        }
        Ok(())
    }

    /// Checks that the points name outcomes that are there, and whose policies belong to the question. The outcomes of this
    /// call begin at `first`.
    fn check_points(&mut self, first: usize, points: &[u32], asked: &Asked<'_>) -> Result<(), AnswerError> {
        let outcomes = self.outcomes.len().saturating_sub(first);
        self.checked.clear();
        self.checked.resize(outcomes, false);
        for (point, index) in points.iter().enumerate() {
            let outcome = position(*index);
            let Some(seen) = self.checked.get_mut(outcome) else {
                return Err(AnswerError::UnknownOutcome { question: asked.id, point, outcome: *index, outcomes });
            };
            if std::mem::replace(seen, true) {
                continue;
            }
            let used = u32::try_from(first.saturating_add(outcome)).ok().and_then(|number| self.outcome(number));
            let Some(used) = used else { continue };
            let foreign = |policy: &&u32| asked.question.policies.binary_search(policy).is_err();
            if let Some(policy) = used.satisfied.iter().chain(used.erring).find(foreign) {
                return Err(AnswerError::ForeignPolicy { question: asked.id, outcome, policy: *policy });
            }
        }
        Ok(())
    }

    /// Gives the outcomes of one call, which begin at `first`, the numbers that equal ones of earlier calls have.
    fn renumber(&mut self, first: usize, asked: &[Asked<'_>], numbers: &mut Numbers) {
        self.renumbered.clear();
        let added = self.outcomes.split_off(first.min(self.outcomes.len()));
        for lists in added {
            let list = |from: usize, length: usize| self.policies.get(from..from.saturating_add(length));
            let satisfied = list(lists.start, lists.satisfied).unwrap_or_default().to_vec();
            let erring = list(lists.start.saturating_add(lists.satisfied), lists.erring).unwrap_or_default().to_vec();
            let next = u32::try_from(self.outcomes.len()).unwrap_or(u32::MAX);
            let outcomes = &mut self.outcomes;
            let number = *numbers.entry((satisfied, erring)).or_insert_with(|| {
                outcomes.push(lists);
                next
            });
            self.renumbered.push(number);
        }
        for question in asked {
            let Some(points) = self.points.get_mut(question.place) else { continue };
            let before = points.len().saturating_sub(question.points);
            for point in points.iter_mut().skip(before) {
                // INVARIANT: `check_points` found that each point names an outcome.
                *point = self.renumbered.get(position(*point)).copied().unwrap_or(u32::MAX);
            }
        }
    }
}

/// The outcomes of several calls, with their numbers.
pub(crate) type Numbers = HashMap<(Vec<u32>, Vec<u32>), u32>;

/// A question asked in a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// Its place among the questions asked in all calls.
    pub(crate) place: usize,
    /// Its number in the manifest.
    pub(crate) id: u32,
    pub(crate) question: &'a Question,
    /// How many points it has.
    pub(crate) points: usize,
}

fn check_policies(outcome: usize, list: &[u32], plan: &Plan) -> Result<(), AnswerError> {
    let policies = plan.manifest.policies.len();
    let mut previous: Option<u32> = None;
    for policy in list {
        if position(*policy) >= policies {
            return Err(AnswerError::UnknownPolicy { outcome, policy: *policy, policies });
        }
        if let Some(previous) = previous.filter(|previous| previous >= policy) {
            return Err(AnswerError::NotAscending { outcome, previous, policy: *policy });
        }
        previous = Some(*policy);
    }
    Ok(())
}

//! Asks the questions about one job, each that wasn't asked before: of cedar-policy, and of every module.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy::{Context, RestrictedExpression};
use exportgate::{Entities, Entity, EntityUid, Module, Request, Value};
use exportgate_contract::types::{Action, SchemaTypes};
use exportgate_contract::vocabulary::{self, Role};

use super::Judge;
use super::scene::{Row, Scene};
use super::spelling::Numbers;
use crate::differential::{answer_of, entity, restricted, uid};
use crate::engine::Answer;

/// A question, up to names and a shift in time: the numbers of its spellings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    job: u32,
    action: u32,
    context: u32,
    row: Option<u32>,
    field: Option<u32>,
}

/// An action that the gate asks for.
pub struct AskedAction {
    action: Action,
    number: u32,
    /// The first action whose context is declared alike: what is stated in one is stated in the other.
    like: usize,
}

impl AskedAction {
    /// All actions of a schema that the gate asks for.
    pub fn all(types: &SchemaTypes, numbers: &Numbers) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for action in types.actions.iter().filter(|action| !action.principals.is_empty()) {
            if vocabulary::role(&action.uid.id).is_some() {
                let like = all.iter().position(|known| known.action.context == action.context);
                let (number, like) = (numbers.of(action.uid.id.as_bytes()), like.unwrap_or(all.len()));
                all.push(Self { action: action.clone(), number, like });
            }
        }
        all
    }

    /// What the gate asks it for.
    pub fn role(&self) -> Role<'_> {
        vocabulary::role(&self.action.uid.id).expect("an action that the gate asks for")
    }
}

/// The questions about one job.
pub struct Asking<'a> {
    judge: &'a Judge,
    module: &'a Module,
    pub scene: Scene<'a>,
    job: u32,
    fields: Vec<(u32, EntityUid)>,
    stores: OnceCell<Stores>,
    /// The numbers of contexts, by the first action that has one like it.
    contexts: RefCell<BTreeMap<usize, u32>>,
    /// How many were asked.
    pub questions: Cell<u64>,
}

/// A row, ready to be asked about.
pub struct Subject {
    pub row: Row,
    number: u32,
    stores: OnceCell<Stores>,
}

/// All entities that a question can reach, for those who are asked.
struct Stores {
    cedar: cedar_policy::Entities,
    host: Entities,
}

/// What a question is about beside the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The job, or the customer of the row.
    Itself,
    /// Each field of the job, in its order.
    Fields,
}

impl<'a> Asking<'a> {
    /// The questions about the job of `scene`, which `module` was asked about.
    pub fn new(judge: &'a Judge, module: &'a Module, scene: Scene<'a>) -> Self {
        let job = judge.numbers.of(&scene.spelling());
        let number =
            |field: &Arc<str>| (judge.numbers.of(field.as_bytes()), EntityUid::new(vocabulary::FIELD, field.clone()));
        let fields = scene.job.fields.iter().map(number).collect();
        let (stores, contexts) = (OnceCell::new(), RefCell::default());
        Self { judge, module, scene, job, fields, stores, contexts, questions: Cell::new(0) }
    }

    /// One subject for each kind of customer.
    pub fn subjects(&self) -> Vec<Subject> {
        let numbered =
            |row: Row| Subject { number: self.judge.numbers.of(&row.spelling), row, stores: OnceCell::new() };
        self.scene.rows().into_iter().map(numbered).collect()
    }

    /// The answers to all questions of `action` about a row, or about the job: those known, and the others asked for.
    pub fn answers(&self, asked: &AskedAction, subject: Option<&Subject>, about: About) -> Vec<Arc<Answer>> {
        let (action, context) = (&asked.action, self.context_number(asked));
        let row = subject.map(|subject| subject.number);
        let question = |field| Question { job: self.job, action: asked.number, context, row, field };
        let questions: Vec<Question> = match about {
            About::Itself => vec![question(None)],
            About::Fields => self.fields.iter().map(|(number, _)| question(Some(*number))).collect(),
        };
        let alike = subject.map_or(1, |subject| subject.row.alike.len());
        self.questions.set(self.questions.get() + u64::try_from(questions.len() * alike).unwrap());
        let known: Vec<Option<Arc<Answer>>> = {
            let answers = self.judge.answers.lock().unwrap();
            questions.iter().map(|question| answers.get(question).cloned()).collect()
        };
        let context = OnceCell::new();
        let answer = |(place, known): (usize, Option<Arc<Answer>>)| {
            known.unwrap_or_else(|| {
                let context = context.get_or_init(|| self.context(action, subject));
                let answer = Arc::new(self.ask(action, subject, about, place, context));
                self.judge.answers.lock().unwrap().insert(questions[place], answer.clone());
                answer
            })
        };
        known.into_iter().enumerate().map(answer).collect()
    }

    /// The number of an action's context as far as it is the same for all rows. To be asked only once all of it is known:
    /// `export` reads the tallies.
    fn context_number(&self, asked: &AskedAction) -> u32 {
        let number = || self.judge.numbers.of(&self.scene.context_spelling(&asked.action));
        *self.contexts.borrow_mut().entry(asked.like).or_insert_with(number)
    }

    fn context(&self, action: &Action, subject: Option<&Subject>) -> (Value, Context) {
        let value = self.scene.context(action, subject.map(|subject| &subject.row));
        let Value::Record(fields) = &value else { panic!("the context is no record") };
        let pairs: Vec<(String, RestrictedExpression)> =
            fields.iter().map(|(name, value)| (name.to_string(), restricted(value))).collect();
        let context = Context::from_pairs(pairs).unwrap_or_else(|e| panic!("{e:?}"));
        (value, context)
    }

    fn ask(
        &self,
        action: &Action,
        subject: Option<&Subject>,
        about: About,
        place: usize,
        (value, context): &(Value, Context),
    ) -> Answer {
        let resource = match (about, subject) {
            (About::Fields, _) => self.fields[place].1.clone(),
            (About::Itself, Some(subject)) => subject.row.customer.clone(),
            (About::Itself, None) => self.scene.itself(),
        };
        let stores = match subject {
            Some(subject) => subject.stores.get_or_init(|| self.stores_of(&subject.row)),
            None => self.stores(),
        };
        let principal = &self.scene.job.agent;
        let asked = cedar_policy::Request::new(
            uid(principal),
            uid(&action.uid),
            uid(&resource),
            context.clone(),
            Some(&self.judge.schema),
        );
        let asked = asked.unwrap_or_else(|e| panic!("{} {resource}: {e:?}", action.uid));
        let expected = match vocabulary::role(&action.uid.id) {
            Some(Role::Tally(_)) => self.judge.reference.ask_of(&self.judge.tallies, &asked, &stores.cedar),
            _ => self.judge.reference.ask(&asked, &stores.cedar),
        };
        let request =
            Request { principal: principal.clone(), action: action.uid.clone(), resource, context: value.clone() };
        for (name, module) in [("compiled", self.module), ("interpreted", &self.judge.interpreted)] {
            let found = module.authorize(&request, &stores.host).map(|response| answer_of(&response));
            let found = found.map_err(|e| e.to_string());
            if found.as_ref() != Ok(&expected) {
                let found = found.map_or_else(|e| e, |answer| answer.to_string());
                self.judge
                    .wrong(format!("{} on {}: cedar {expected}, {name} {found}", request.action, request.resource));
            }
        }
        expected
    }

    /// The entities that every question about the job can reach.
    fn stores(&self) -> &Stores {
        self.stores.get_or_init(|| {
            let entities = self.scene.entities();
            Stores {
                cedar: self.with(&self.judge.actions, entities),
                host: Entities::new(entities.values().cloned()).unwrap_or_else(|e| panic!("{e}")),
            }
        })
    }

    /// These and those that a question about the row can reach.
    fn stores_of(&self, row: &Row) -> Stores {
        let entities = self.scene.entities_of(row);
        let all = self.scene.entities().values().chain(entities.values()).cloned();
        Stores {
            cedar: self.with(&self.stores().cedar, &entities),
            host: Entities::new(all).unwrap_or_else(|e| panic!("{e}")),
        }
    }

    fn with(&self, store: &cedar_policy::Entities, entities: &BTreeMap<EntityUid, Entity>) -> cedar_policy::Entities {
        let entities = entities.values().map(entity);
        store.clone().add_entities(entities, Some(&self.judge.schema)).unwrap_or_else(|e| panic!("{e:?}"))
    }
}

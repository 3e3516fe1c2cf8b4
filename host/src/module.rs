//! A loaded policy module: checked, compiled, and shared between threads.

use std::sync::Arc;

use exportgate_contract::limits::MEMORY_BYTES_MAX;
use exportgate_contract::manifest::Manifest;

use crate::artifact;
use crate::ask::Session;
use crate::config::{Isolation, ModulePin};
use crate::engine::Engine;
use crate::error::EvaluateError;
use crate::instance::Template;
use crate::load_error::LoadError;
use crate::plan::Plan;

/// A loaded policy module. A clone is the same compiled code.
#[derive(Clone, Debug)]
pub struct Module {
    inner: Arc<Inner>,
    isolation: Isolation,
}

#[derive(Debug)]
struct Inner {
    engine: Engine,
    plan: Plan,
    template: Template,
    sha256: String,
}

/// What a module says of itself: read and checked as [`Module::load`] does it, but not compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspection {
    /// The manifest, checked to be free of contradictions.
    pub manifest: Manifest,
    /// SHA-256 of the module's bytes, in lower-case hexadecimal digits.
    pub sha256: String,
}

impl Module {
    /// Reads a module without compiling or running anything of it.
    ///
    /// # Errors
    ///
    /// [`LoadError`], as [`Module::load`] in an engine with the default limits, but for what only compiling finds.
    pub fn inspect(bytes: &[u8]) -> Result<Inspection, LoadError> {
        let artifact = artifact::read(bytes, MEMORY_BYTES_MAX)?;
        Ok(Inspection { manifest: artifact.manifest, sha256: artifact.sha256 })
    }

    /// Loads a module: a component, as `exportgate build` writes it. Whatever the bytes are, they are checked before anything
    /// of them is compiled, and nothing of them runs before the first evaluation. Compiling happens on the calling thread and
    /// threads of a pool, and takes milliseconds for a pack of the usual size.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong and, by [`LoadError::help`], what to do about it.
    pub fn load(engine: &Engine, bytes: &[u8]) -> Result<Self, LoadError> {
        let artifact = artifact::read(bytes, engine.config().memory_bytes_max)?;
        let plan = Plan::new(artifact.manifest)?;
        let template = Template::compile(engine, artifact.core, &artifact.exports)?;
        let inner = Inner { engine: engine.clone(), plan, template, sha256: artifact.sha256 };
        Ok(Self { inner: Arc::new(inner), isolation: Isolation::Fresh })
    }

    /// The same module, with instances of the other kind.
    #[must_use]
    pub fn with_isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    /// Whether instances are fresh or warm.
    pub fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// The manifest: what the module says of itself, checked to be free of contradictions.
    pub fn manifest(&self) -> &Manifest {
        &self.inner.plan.manifest
    }

    /// SHA-256 of the module's bytes, in lower-case hexadecimal digits.
    pub fn sha256(&self) -> &str {
        &self.inner.sha256
    }

    /// What pins this very module: its name, its digest, any version. For tools that hold bytes which they trust; where they
    /// come from elsewhere, a configuration names the digest.
    pub fn pin(&self, isolation: Isolation) -> ModulePin {
        let (name, sha256) = (self.manifest().name.clone(), self.sha256().to_owned());
        ModulePin { name, sha256, version_min: None, isolation }
    }

    /// An instance to ask, for all the calls of one export.
    ///
    /// # Errors
    ///
    /// [`EvaluateError`] when no instance can be made.
    pub(crate) fn session(&self) -> Result<Session<'_>, EvaluateError> {
        Session::new(self)
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.inner.plan
    }

    pub(crate) fn template(&self) -> &Template {
        &self.inner.template
    }
}

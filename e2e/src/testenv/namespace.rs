//! A namespace of a test's own.

use std::fmt::Debug;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Namespace as Object, ServiceAccount};
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client, Resource};
use rand::RngExt as _;
use serde::de::DeserializeOwned;

use super::Env;
use crate::chart;
use crate::kubectl::Kubectl;
use crate::wait::eventually;

/// Long after the controllers are up this takes a tenth of a second.
const DEADLINE: Duration = Duration::from_secs(30);

/// What tells two runs of a test apart.
const SUFFIX: usize = 5;

/// A namespace of a test's own. It has no guard: [`super::scenario`] is what reports and cleans up.
#[derive(Clone)]
pub struct Namespace {
    env: Env,
    name: String,
    kubectl: Kubectl,
}

impl Namespace {
    pub(super) async fn create(env: &Env, prefix: &str) -> Result<Self> {
        let mut random = rand::rng();
        let suffix: String = (0..SUFFIX).map(|_| char::from(random.random_range(b'a'..=b'z'))).collect();
        let name = format!("{prefix}-{suffix}");
        let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
        let object = Object { metadata, ..Object::default() };
        let namespaces: Api<Object> = Api::all(env.client().clone());
        let made = namespaces.create(&PostParams::default(), &object).await;
        made.with_context(|| format!("make the namespace {name}"))?;
        let accounts: Api<ServiceAccount> = Api::namespaced(env.client().clone(), &name);
        // A pod made before its namespace's service account is refused.
        eventually(&format!("the service account of {name}"), DEADLINE, || async {
            accounts.get("default").await.context("it is not there")
        })
        .await?;
        let kubectl = env.kubectl().in_namespace(&name);
        Ok(Self { env: env.clone(), name, kubectl })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cluster in which it is.
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// A client with the administrator's rights.
    pub fn client(&self) -> Client {
        self.env.client().clone()
    }

    /// The objects of a kind in it.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        Api::namespaced(self.client(), &self.name)
    }

    /// Runs `kubectl` in it and returns what it printed.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.kubectl.run(arguments).await
    }

    /// Applies a text of YAML or JSON in it.
    pub async fn apply(&self, manifest: &str) -> Result<String> {
        self.kubectl.apply(manifest).await
    }

    /// Gives it the Secret [`chart::REDIS`] with the URL of the chart's Redis, for fleets with `spec.state`.
    pub async fn give_redis_url(&self) -> Result<()> {
        chart::give_redis_url(self.env.kubectl(), &self.name).await
    }

    /// Deletes it, and waits for its pods only. They go at once: a match that plays on would keep a port, and count where
    /// rooms are placed, in the next test.
    pub async fn delete(&self) -> Result<()> {
        self.kubectl(&["delete", "namespace", &self.name, "--wait=false"]).await?;
        // More than once: for a moment, new pods are still let in.
        eventually(&format!("{} to be empty", self.name), DEADLINE, async || {
            self.kubectl(&["delete", "pods", "--all", "--grace-period=0", "--force", "--wait=false"]).await?;
            let left = self.kubectl(&["get", "pods", "--output=name"]).await?;
            ensure!(left.is_empty(), "there are {left}");
            Ok(())
        })
        .await
    }
}

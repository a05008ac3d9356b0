//! Certificates and kubeconfigs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::Slot;
use crate::command::{output, program};
use crate::files::{make_folder, part, write_whole};

/// A cluster that somebody keeps for a year has more to renew than this.
const DAYS: &str = "365";

const CLIENT: &str = "extendedKeyUsage=clientAuth";

/// Whose certificates and kubeconfigs are made; the admin's is the one that people use.
const CLIENTS: [(&str, &str); 4] = [
    ("admin", "/O=system:masters/CN=admin"),
    ("kube-controller-manager", "/CN=system:kube-controller-manager"),
    ("kube-scheduler", "/CN=system:kube-scheduler"),
    ("kube-proxy", "/CN=system:kube-proxy"),
];

/// The certificate authority of a cluster, in its state folder.
pub(super) struct Pki<'a> {
    state: &'a Path,
    slot: Slot,
}

impl<'a> Pki<'a> {
    pub(super) fn new(state: &'a Path, slot: Slot) -> Self {
        Self { state, slot }
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.state.join("pki").join(name)
    }

    /// All that the control plane needs.
    pub(super) async fn ensure(&self) -> Result<()> {
        make_folder(&self.file(""))?;
        self.ensure_authority().await?;
        self.ensure_service_account_key().await?;
        let (api, service) = (self.slot.api_address(), self.slot.api_service());
        let names = format!(
            "subjectAltName=IP:127.0.0.1,IP:{api},IP:{service},DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,\
             DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local\nextendedKeyUsage=serverAuth"
        );
        self.ensure_certificate("apiserver", "/CN=kube-apiserver", &names).await?;
        self.ensure_certificate("apiserver-kubelet", "/O=system:masters/CN=apiserver-kubelet", CLIENT)
            .await?;
        for (name, subject) in CLIENTS {
            self.ensure_certificate(name, subject, CLIENT).await?;
            self.ensure_kubeconfig(name)?;
        }
        Ok(())
    }

    /// A kubelet's certificate, for serving and for asking, and its kubeconfig.
    pub(super) async fn ensure_node(&self, name: &str, address: &str) -> Result<()> {
        let subject = format!("/O=system:nodes/CN=system:node:{name}");
        let extensions =
            format!("subjectAltName=IP:{address},DNS:{name}\nextendedKeyUsage=clientAuth,serverAuth");
        self.ensure_certificate(name, &subject, &extensions).await?;
        self.ensure_kubeconfig(name)
    }

    async fn ensure_authority(&self) -> Result<()> {
        let (key, certificate) = (self.file("ca.key"), self.file("ca.crt"));
        if certificate.exists() {
            return Ok(());
        }
        let mut make = program("openssl");
        make.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        make.args(["-subj", "/CN=ca", "-days", DAYS, "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(part(&certificate));
        output(&mut make).await?;
        complete(&certificate)
    }

    async fn ensure_service_account_key(&self) -> Result<()> {
        let key = self.file("sa.key");
        if key.exists() {
            return Ok(());
        }
        let mut make = program("openssl");
        make.args(["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out"]).arg(part(&key));
        output(&mut make).await?;
        complete(&key)
    }

    async fn ensure_certificate(&self, name: &str, subject: &str, extensions: &str) -> Result<()> {
        let certificate = self.file(&format!("{name}.crt"));
        if certificate.exists() {
            return Ok(());
        }
        let [key, request, extension_file] =
            ["key", "csr", "ext"].map(|suffix| self.file(&format!("{name}.{suffix}")));
        let mut ask = program("openssl");
        ask.args(["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        ask.args(["-subj", subject, "-keyout"]).arg(&key).arg("-out").arg(&request);
        output(&mut ask).await?;
        write_whole(&extension_file, extensions.as_bytes())?;
        let serial = format!("0x{:016x}", rand::random::<u64>());
        let mut sign = program("openssl");
        sign.args(["x509", "-req", "-days", DAYS, "-set_serial", &serial, "-in"]).arg(&request);
        sign.arg("-CA").arg(self.file("ca.crt")).arg("-CAkey").arg(self.file("ca.key"));
        sign.arg("-extfile").arg(&extension_file).arg("-out").arg(part(&certificate));
        output(&mut sign).await?;
        complete(&certificate)
    }

    fn ensure_kubeconfig(&self, name: &str) -> Result<()> {
        let path = self.state.join(format!("{name}.kubeconfig"));
        if path.exists() {
            return Ok(());
        }
        let api = self.slot.api_address();
        let pki = self.file("").display().to_string();
        let config = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "gamekeeper", "cluster": {
                "server": format!("https://{api}:6443"),
                "certificate-authority": format!("{pki}ca.crt"),
            }}],
            "users": [{"name": name, "user": {
                "client-certificate": format!("{pki}{name}.crt"),
                "client-key": format!("{pki}{name}.key"),
            }}],
            "contexts": [{"name": "gamekeeper", "context": {"cluster": "gamekeeper", "user": name}}],
            "current-context": "gamekeeper",
        });
        write_whole(&path, &serde_json::to_vec_pretty(&config)?)
    }
}

fn complete(path: &Path) -> Result<()> {
    fs::rename(part(path), path).with_context(|| format!("name {}", path.display()))
}

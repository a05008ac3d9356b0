//! The admin port: `/healthz`, `/readyz`, `/metrics`.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// Whether this process can do its part: lead, or stand by.
#[derive(Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    pub fn set(&self, is_ready: bool) {
        self.0.store(is_ready, Ordering::Relaxed);
    }
}

/// Serves until `stop` is cancelled.
pub async fn serve(
    listener: TcpListener,
    metrics: Metrics,
    readiness: Readiness,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let ready = |State((_, readiness)): State<(Metrics, Readiness)>| async move {
        if readiness.0.load(Ordering::Relaxed) {
            (StatusCode::OK, "ready")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "not ready")
        }
    };
    let expose = |State((metrics, _)): State<(Metrics, Readiness)>| async move {
        let content_type = [("content-type", "application/openmetrics-text; version=1.0.0; charset=utf-8")];
        metrics.encode().map(|text| (content_type, text)).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
    };
    let router = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(expose))
        .with_state((metrics, readiness));
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}

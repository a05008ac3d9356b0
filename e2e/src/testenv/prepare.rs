//! Preparing a cluster, by one process at a time. Others may be prepared meanwhile.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use futures::future::try_join_all;

use super::{GameServer, Prepared};
use crate::chart::{self, ChartImage};
use crate::cluster::{Cluster, Wish};
use crate::image::{self, Image};
use crate::kubectl::Kubectl;
use crate::lock::FileLock;
use crate::progress::step;
use crate::target::{Reached, Target};
use crate::{paths, programs};

/// Images in a registry, for a cluster to whose nodes nothing can be loaded.
const OPERATOR_IMAGE: &str = "GAMEKEEPER_OPERATOR_IMAGE";
const UDP_SERVER_IMAGE: &str = "GAMEKEEPER_UDP_SERVER_IMAGE";
const ROOMS_SERVER_IMAGE: &str = "GAMEKEEPER_ROOMS_SERVER_IMAGE";
const COUNTDOWN_IMAGE: &str = "GAMEKEEPER_COUNTDOWN_IMAGE";
const ARENA_IMAGE: &str = "GAMEKEEPER_ARENA_IMAGE";
const REDIS_IMAGE: &str = "GAMEKEEPER_REDIS_IMAGE";

const OPERATOR: &str = "gamekeeper-operator";
const UDP_SERVER: &str = "udp-server";
const ROOMS_SERVER: &str = "rooms-server";
const COUNTDOWN: &str = "countdown";
const ARENA: &str = "arena";

const REDIS: &str = "redis";
/// What is run in the chart's Redis: the server, and the client of its probes.
const REDIS_PROGRAMS: [&str; 2] = ["redis-server", "redis-cli"];

/// Brings a cluster up if it is ours, gives it the images and installs the chart.
pub async fn prepare(target: Target, wish: Wish) -> Result<Prepared> {
    let _lock = FileLock::acquire(&lock_of(&target)).await?;
    let cluster = target.up_as(wish).await?;
    let images = match &cluster {
        Reached::Ours(cluster) => Box::pin(loaded(cluster)).await?,
        Reached::Foreign { .. } => named()?,
    };
    let Images { operator, redis, udp_server, rooms_server, countdown, arena } = images;
    let kubectl = Kubectl::of(&cluster).await?;
    let wish = chart::Wish { operator, redis };
    chart::install(&cluster, &kubectl, &wish).await?;
    let chart::Wish { operator, .. } = wish;
    Ok(Prepared { cluster, kubectl, operator, udp_server, rooms_server, countdown, arena })
}

/// What is shared by all clusters has locks of its own: what is built, and the images.
fn lock_of(target: &Target) -> String {
    match target {
        Target::Ours(slot) => format!("testenv-{slot}"),
        Target::Foreign(_) => "testenv".to_owned(),
    }
}

/// What nodes run.
struct Images {
    operator: ChartImage,
    redis: Option<ChartImage>,
    udp_server: String,
    rooms_server: Option<String>,
    countdown: Option<String>,
    arena: Option<String>,
}

/// Builds all images of the sources at hand and gives them to the nodes.
async fn loaded(cluster: &Cluster) -> Result<Images> {
    let ([operator, countdown, arena], udp_server, rooms_server, redis) =
        tokio::try_join!(rust_images(), udp_server_image(), go_image(ROOMS_SERVER), redis_image())?;
    let all = [&operator, &redis, &countdown, &arena, &udp_server, &rooms_server];
    try_join_all(all.map(|image| cluster.load(image))).await?;
    Ok(Images {
        operator: of_chart(&operator),
        redis: Some(of_chart(&redis)),
        udp_server: udp_server.reference(),
        rooms_server: Some(rooms_server.reference()),
        countdown: Some(countdown.reference()),
        arena: Some(arena.reference()),
    })
}

/// An image that nodes have and nobody can pull.
fn of_chart(image: &Image) -> ChartImage {
    ChartImage { repository: image.repository(), tag: image.tag().to_owned(), pull_policy: "Never" }
}

/// The operator of this tree and the game servers that are made with its SDK, built together: so they share what all need.
async fn rust_images() -> Result<[Image; 3]> {
    let [operator, countdown, arena] =
        step("building the operator and game servers", rust_programs()).await?;
    let image = async |name, folder: &str, program: &Path| {
        let dockerfile = paths::repository().join(folder).join("Dockerfile");
        image::build_of_files(name, &dockerfile, &[(program, name)]).await
    };
    Ok([
        image(OPERATOR, "operator", &operator).await?,
        image(COUNTDOWN, "e2e/countdown", &countdown).await?,
        image(ARENA, "gameserver/arena", &arena).await?,
    ])
}

async fn rust_programs() -> Result<[PathBuf; 3]> {
    programs::rust_together([(OPERATOR, OPERATOR), (COUNTDOWN, COUNTDOWN), (ARENA, ARENA)]).await
}

/// The arena's program, whose bots and spectator run on this machine.
pub async fn arena_program() -> Result<PathBuf> {
    let [_, _, arena] = step("building the bots", rust_programs()).await?;
    Ok(arena)
}

/// The UDP server that knows nothing of Gamekeeper in an image.
pub async fn udp_server_image() -> Result<Image> {
    go_image(UDP_SERVER).await
}

/// A game server in Go in an image.
async fn go_image(name: &str) -> Result<Image> {
    let folder = paths::repository().join("e2e/foreign").join(name);
    let binary = programs::go(&folder, name).await?;
    image::build_of_files(name, &folder.join("Dockerfile"), &[(&binary, name)]).await
}

/// Debian's Redis in an image, for the chart: the official one can be pulled from nowhere.
async fn redis_image() -> Result<Image> {
    let files = programs::debian(&REDIS_PROGRAMS).await?;
    let files: Vec<_> = files.iter().map(|it| (it.as_path(), it.strip_prefix("/").unwrap_or(it))).collect();
    let dockerfile = paths::repository().join("e2e/redis/Dockerfile");
    image::build_of_files(REDIS, &dockerfile, &files).await
}

/// The images that the environment names. Not everybody needs those of all game servers.
fn named() -> Result<Images> {
    let name = |variable| env::var(variable).with_context(|| cannot_load(variable));
    let to_pull = |reference: String| {
        let (repository, tag) = split_reference(&reference)?;
        anyhow::Ok(ChartImage { repository, tag, pull_policy: "IfNotPresent" })
    };
    Ok(Images {
        operator: to_pull(name(OPERATOR_IMAGE)?)?,
        redis: env::var(REDIS_IMAGE).ok().map(to_pull).transpose()?,
        udp_server: name(UDP_SERVER_IMAGE)?,
        rooms_server: env::var(ROOMS_SERVER_IMAGE).ok(),
        countdown: env::var(COUNTDOWN_IMAGE).ok(),
        arena: env::var(ARENA_IMAGE).ok(),
    })
}

/// What to do where the image of a game server is missing.
pub(super) fn how_to_name(server: GameServer) -> String {
    cannot_load(match server {
        GameServer::Plain => UDP_SERVER_IMAGE,
        GameServer::Go => ROOMS_SERVER_IMAGE,
        GameServer::Rust => COUNTDOWN_IMAGE,
        GameServer::Arena => ARENA_IMAGE,
    })
}

fn cannot_load(variable: &str) -> String {
    format!(
        "KUBECONFIG names a cluster to whose nodes no image can be loaded: \
         push it to a registry and set {variable}, or unset KUBECONFIG for a local cluster"
    )
}

fn split_reference(reference: &str) -> Result<(String, String)> {
    let tagged = reference.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'));
    let (repository, tag) = tagged.with_context(|| format!("{reference} has no tag"))?;
    Ok((repository.to_owned(), tag.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registrys_port_is_not_taken_for_a_tag() {
        let (repository, tag) = split_reference("registry.example:5000/games/operator:1.2").unwrap();
        assert_eq!((repository.as_str(), tag.as_str()), ("registry.example:5000/games/operator", "1.2"));
        assert!(split_reference("registry.example:5000/games/operator").is_err());
    }
}

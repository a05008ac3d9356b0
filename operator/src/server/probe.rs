//! One question to one server, over UDP, TCP, HTTP or gRPC.

use std::{io, net::SocketAddr, time::Duration};

use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpStream, UdpSocket},
    time::timeout,
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

/// The longest answer that is looked at.
const ANSWER_MAX: usize = 2048;

/// What to ask, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    pub question: Question,
    /// The port at the pod's address.
    pub port: u16,
    pub period: Duration,
    pub timeout: Duration,
    pub failure_threshold: u32,
}

/// What to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    Udp { send: Vec<u8>, expect: Vec<u8> },
    Tcp,
    Http { path: String },
    Grpc { service: String },
}

/// Why a server counts as not having answered.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    #[error("no answer in time")]
    Late,
    #[error("cannot talk to the server")]
    Unreachable(#[source] io::Error),
    #[error("the server's answer is not the expected one")]
    Unexpected,
    #[error("the server does not speak HTTP")]
    NotHttp(#[source] hyper::Error),
    #[error("the server answers with HTTP status {0}")]
    HttpStatus(u16),
    #[error("the server does not answer the gRPC health check")]
    NotGrpc(#[source] Box<tonic::Status>),
    #[error("no gRPC connection")]
    NoConnection(#[source] tonic::transport::Error),
    #[error("the server says that it does not serve")]
    NotServing,
}

impl Probe {
    /// Asks once.
    pub async fn ask(&self, ip: std::net::IpAddr) -> Result<(), NoAnswer> {
        let address = SocketAddr::new(ip, self.port);
        let answer = async {
            match &self.question {
                Question::Udp { send, expect } => ask_udp(address, send, expect).await,
                Question::Tcp => TcpStream::connect(address).await.map(drop).map_err(NoAnswer::Unreachable),
                Question::Http { path } => ask_http(address, path).await,
                Question::Grpc { service } => ask_grpc(address, service, self.timeout).await,
            }
        };
        timeout(self.timeout, answer).await.unwrap_or(Err(NoAnswer::Late))
    }
}

async fn ask_udp(address: SocketAddr, send: &[u8], expect: &[u8]) -> Result<(), NoAnswer> {
    let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).await.map_err(NoAnswer::Unreachable)?;
    // Connected, so that only this server's answers come in, and ICMP errors do too.
    socket.connect(address).await.map_err(NoAnswer::Unreachable)?;
    socket.send(send).await.map_err(NoAnswer::Unreachable)?;
    let mut answer = [0; ANSWER_MAX];
    let length = socket.recv(&mut answer).await.map_err(NoAnswer::Unreachable)?;
    let is_expected = answer.get(..length).is_some_and(|it| it.starts_with(expect));
    if is_expected { Ok(()) } else { Err(NoAnswer::Unexpected) }
}

async fn ask_http(address: SocketAddr, path: &str) -> Result<(), NoAnswer> {
    let stream = TcpStream::connect(address).await.map_err(NoAnswer::Unreachable)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(NoAnswer::NotHttp)?;
    let request = http::Request::get(path)
        .header(http::header::HOST, address.to_string())
        .header(http::header::USER_AGENT, "gamekeeper-probe")
        .body(Empty::<bytes::Bytes>::new())
        .map_err(|_| NoAnswer::Unexpected)?;
    let mut answer = std::pin::pin!(sender.send_request(request));
    // The connection does the work of the request, and both end with this function.
    let response = tokio::select! {
        response = &mut answer => response,
        // A server may close as soon as it has answered.
        _ = connection => answer.await,
    };
    let response = response.map_err(NoAnswer::NotHttp)?;
    match response.status().as_u16() {
        200..=399 => Ok(()),
        status => Err(NoAnswer::HttpStatus(status)),
    }
}

async fn ask_grpc(address: SocketAddr, service: &str, patience: Duration) -> Result<(), NoAnswer> {
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}"))
        .map_err(NoAnswer::NoConnection)?;
    let channel = endpoint.connect_timeout(patience).connect().await.map_err(NoAnswer::NoConnection)?;
    let request = HealthCheckRequest { service: service.to_owned() };
    let answer =
        HealthClient::new(channel).check(request).await.map_err(|it| NoAnswer::NotGrpc(Box::new(it)))?;
    let is_serving = answer.into_inner().status == i32::from(ServingStatus::Serving);
    if is_serving { Ok(()) } else { Err(NoAnswer::NotServing) }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    async fn ask(question: Question, port: u16) -> Result<(), NoAnswer> {
        let second = Duration::from_secs(1);
        Probe { question, port, period: second, timeout: second, failure_threshold: 1 }.ask(HERE).await
    }

    async fn udp_server(answer: &'static [u8]) -> u16 {
        let socket = UdpSocket::bind((HERE, 0)).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        tokio::spawn(async move {
            let mut packet = [0; 64];
            while let Ok((_, from)) = socket.recv_from(&mut packet).await {
                socket.send_to(answer, from).await.unwrap();
            }
        });
        port
    }

    #[tokio::test]
    async fn a_udp_server_is_asked_and_its_answer_compared() {
        let port = udp_server(b"ok then").await;
        let question = |expect: &[u8]| Question::Udp { send: b"probe".into(), expect: expect.into() };
        assert!(ask(question(b"ok"), port).await.is_ok());
        assert!(ask(question(b""), port).await.is_ok());
        assert!(matches!(ask(question(b"no"), port).await, Err(NoAnswer::Unexpected)));
    }

    #[tokio::test]
    async fn nobody_there_is_no_answer() {
        let port = TcpListener::bind((HERE, 0)).await.unwrap().local_addr().unwrap().port();
        let udp = Question::Udp { send: b"probe".into(), expect: vec![] };
        let (http, grpc) = (Question::Http { path: "/".into() }, Question::Grpc { service: String::new() });
        for question in [udp, Question::Tcp, http, grpc] {
            assert!(ask(question.clone(), port).await.is_err(), "{question:?}");
        }
    }

    #[tokio::test]
    async fn an_http_server_is_healthy_by_its_status() {
        let listener = TcpListener::bind((HERE, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            for status in ["200 OK", "503 Not Now"] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 1024]).await.unwrap();
                stream
                    .write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes())
                    .await
                    .unwrap();
            }
        });
        let question = Question::Http { path: "/healthz".into() };
        assert!(ask(question.clone(), port).await.is_ok());
        assert!(matches!(ask(question, port).await, Err(NoAnswer::HttpStatus(503))));
    }

    #[tokio::test]
    async fn a_grpc_server_is_asked_for_its_health() {
        let (reporter, service) = tonic_health::server::health_reporter();
        let listener = TcpListener::bind((HERE, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        tokio::spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));
        let question = Question::Grpc { service: "game".into() };
        reporter.set_service_status("game", tonic_health::ServingStatus::Serving).await;
        assert!(ask(question.clone(), port).await.is_ok());
        reporter.set_service_status("game", tonic_health::ServingStatus::NotServing).await;
        assert!(matches!(ask(question, port).await, Err(NoAnswer::NotServing)));
        assert!(matches!(
            ask(Question::Grpc { service: "else".into() }, port).await,
            Err(NoAnswer::NotGrpc(_))
        ));
    }
}

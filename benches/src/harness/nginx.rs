//! nginx as a plain reverse proxy, tuned as its documentation says for this traffic.
//!
//! Keep-alive to the upstream, no access log, request bodies in memory (the default writes bodies of
//! more than 16 KB to a file), connections without a request limit. Streams are proxied by a server
//! of their own with buffering off, as events must not wait; whole answers keep the default, which is
//! nginx's fastest.

use std::{fs, net::SocketAddr, path::Path, process::Command};

use super::{
    child::Child,
    error::HarnessError,
    subject::{Certificate, Kind, Subject},
};

pub struct Setup<'a> {
    pub binary: &'a Path,
    pub folder: &'a Path,
    pub upstream: SocketAddr,
    pub plain: SocketAddr,
    pub stream: SocketAddr,
    pub tls: Option<&'a Certificate>,
    pub workers: usize,
    pub cpus: &'a [usize],
}

pub fn start(kind: Kind, setup: &Setup<'_>) -> Result<Subject, HarnessError> {
    let file = setup.folder.join("nginx.conf");
    fs::write(&file, configuration(setup)).map_err(HarnessError::io("write nginx.conf"))?;
    let mut command = Command::new(setup.binary);
    command.arg("-p").arg(setup.folder).arg("-c").arg(&file).args(["-e", "stderr"]);
    let log = setup.folder.join("log");
    let child = Child::start(kind.name(), command, setup.cpus, log, false)?;
    Ok(Subject {
        kind,
        child: Some(child),
        plain: setup.plain,
        stream: setup.stream,
        ca: setup.tls.map(|tls| tls.certificate.clone()),
    })
}

fn configuration(setup: &Setup<'_>) -> String {
    // Workers must be able to use the folder, which only its owner may.
    let user = if nix::unistd::geteuid().is_root() { "user root;\n" } else { "" };
    let (listen, tls) = match setup.tls {
        None => ("", String::new()),
        Some(files) => (
            " ssl",
            format!(
                "    ssl_certificate {};\n    ssl_certificate_key {};\n    \
                 ssl_protocols TLSv1.2 TLSv1.3;\n    ssl_session_cache shared:tls:4m;\n",
                files.certificate.display(),
                files.key.display()
            ),
        ),
    };
    let server = |address: SocketAddr, buffering: &str| {
        format!(
            "  server {{
    listen {address}{listen} backlog=4096;
    location / {{
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_buffering {buffering};
    }}
  }}
"
        )
    };
    format!(
        "{user}worker_processes {workers};
daemon off;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  keepalive_timeout 600;
  client_max_body_size 64m;
  client_body_buffer_size 128k;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
{tls}  upstream mock {{
    server {upstream};
    keepalive 256;
    keepalive_requests 1000000000;
    keepalive_timeout 600;
  }}
{plain}{stream}}}
",
        workers = setup.workers,
        folder = setup.folder.display(),
        upstream = setup.upstream,
        plain = server(setup.plain, "on"),
        stream = server(setup.stream, "off"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_names_what_was_asked() {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let mut setup = Setup {
            binary: Path::new("/usr/sbin/nginx"),
            folder: Path::new("/tmp/x"),
            upstream: address(1),
            plain: address(2),
            stream: address(3),
            tls: None,
            workers: 2,
            cpus: &[0],
        };
        let text = configuration(&setup);
        for part in [
            "worker_processes 2;",
            "server 127.0.0.1:1;",
            "listen 127.0.0.1:2 backlog",
            "listen 127.0.0.1:3 backlog",
            "proxy_buffering off;",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert_eq!(text.matches('{').count(), text.matches('}').count());
        let certificate = Certificate { certificate: "/c.pem".into(), key: "/k.pem".into() };
        setup.tls = Some(&certificate);
        assert!(configuration(&setup).contains("listen 127.0.0.1:2 ssl backlog"));
    }
}

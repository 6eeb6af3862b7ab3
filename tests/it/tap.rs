//! The way to a broker, with somebody in it who listens, or lets nothing through any more.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Bytes that went one way over one connection.
type Flow = Arc<Mutex<Vec<u8>>>;

/// Forwards connections to a broker and keeps what goes either way.
pub struct Tap {
    pub url: String,
    flows: Arc<Mutex<Vec<Flow>>>,
}

impl Tap {
    pub fn before(url: &str) -> Self {
        Self::new(url, None)
    }

    /// From the moment at which a connection's client names `text`, the broker hears nothing of it any more.
    pub fn that_swallows(url: &str, text: &'static str) -> Self {
        Self::new(url, Some(text))
    }

    fn new(url: &str, swallowed: Option<&'static str>) -> Self {
        let (_, rest) = url.split_once('@').expect("a user");
        let (broker, _) = rest.split_once('/').expect("a virtual host");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let own = listener.local_addr().expect("it is bound").to_string();
        let (url, broker) = (url.replace(broker, &own), broker.to_owned());
        let flows: Arc<Mutex<Vec<Flow>>> = Arc::default();
        let kept = Arc::clone(&flows);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(&broker).expect("the broker is there");
                for (from, to, swallowed) in [(&client, &server, swallowed), (&server, &client, None)] {
                    let (from, to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
                    let flow = Flow::default();
                    kept.lock().expect("no panic").push(Arc::clone(&flow));
                    std::thread::spawn(move || forward(from, to, &flow, swallowed));
                }
            }
        });
        Self { url, flows }
    }

    pub fn shows(&self, text: &str) -> bool {
        self.flows.lock().expect("no panic").iter().any(|flow| shows(&flow.lock().expect("no panic"), text))
    }

    pub fn bytes(&self) -> usize {
        self.flows.lock().expect("no panic").iter().map(|flow| flow.lock().expect("no panic").len()).sum()
    }
}

fn shows(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

fn forward(mut from: TcpStream, mut to: TcpStream, flow: &Mutex<Vec<u8>>, swallowed: Option<&str>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let mut flow = flow.lock().expect("no panic");
        flow.extend_from_slice(&buffer[..count]);
        let is_over = swallowed.is_some_and(|text| shows(&flow, text));
        drop(flow);
        if is_over {
            let _ = io::copy(&mut from, &mut io::sink());
            break;
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

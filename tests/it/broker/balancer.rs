//! One address in front of several nodes, as a service or a load balancer gives it: each connection goes
//! to the first node, in turn, that takes it.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A node that is cut off does not even refuse.
const PATIENCE: Duration = Duration::from_millis(500);

/// Passes connections on until it is dropped.
pub struct Balancer {
    pub port: u16,
    nodes: Arc<Mutex<Vec<SocketAddr>>>,
    over: Arc<AtomicBool>,
}

impl Balancer {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let (nodes, over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (known, ended) = (Arc::clone(&nodes), Arc::clone(&over));
        thread::spawn(move || {
            for (turn, client) in listener.incoming().enumerate() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let nodes: Vec<SocketAddr> = known.lock().expect("no panic under this lock").clone();
                let client = client.expect("a connection");
                thread::spawn(move || pass_on(client, &nodes, turn));
            }
        });
        Self { port, nodes, over }
    }

    /// Where the nodes are from now on.
    pub fn set(&self, nodes: Vec<SocketAddr>) {
        *self.nodes.lock().expect("no panic under this lock") = nodes;
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the listener.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// Without a node the connection is closed, as a refusal.
fn pass_on(client: TcpStream, nodes: &[SocketAddr], turn: usize) {
    let in_turn = (0..nodes.len()).map(|step| &nodes[(turn + step) % nodes.len()]);
    let Some(node) = in_turn.filter_map(|node| TcpStream::connect_timeout(node, PATIENCE).ok()).next() else { return };
    let (Ok(from_client), Ok(from_node)) = (client.try_clone(), node.try_clone()) else { return };
    let upwards = thread::spawn(move || pour(from_client, node));
    pour(from_node, client);
    let _ = upwards.join();
}

/// Until either side ends, which ends both.
fn pour(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

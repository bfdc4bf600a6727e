//! One question to a server's `/metrics`: how much a counter says. Blocks, and so asks only where
//! nothing is measured.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::target::Target;

const PATIENCE: Duration = Duration::from_secs(5);
/// Longer answers are not read.
const MAX_ANSWER: u64 = 16 << 20;

/// The sum of all samples of this name.
///
/// # Errors
/// In one line, why it cannot be said.
pub fn counter(url: &str, name: &str) -> Result<f64, String> {
    let answer = ask(url).map_err(|error| format!("{url}: {error}"))?;
    let (head, text) = answer.split_once("\r\n\r\n").ok_or(format!("{url}: not an answer"))?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status != "200" {
        return Err(format!("{url}: answered with {status}"));
    }
    sum(text, name).ok_or_else(|| format!("{url}: there is no {name}"))
}

fn ask(url: &str) -> Result<String, String> {
    let target = Target::of(url)?;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        target.path, target.host
    );
    let mut answer = Vec::new();
    let mut asked = || {
        let mut stream = TcpStream::connect_timeout(&target.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(request.as_bytes())?;
        stream.take(MAX_ANSWER).read_to_end(&mut answer)
    };
    asked().map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The samples of this name in a Prometheus text, added up.
fn sum(text: &str, name: &str) -> Option<f64> {
    let samples = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let value = rest.strip_prefix(' ').or_else(|| {
            let (_, value) = rest.strip_prefix('{')?.rsplit_once("} ")?;
            Some(value)
        });
        value?.split(' ').next()?.parse::<f64>().ok()
    });
    samples.reduce(|sum, sample| sum + sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples() {
        let text = "# HELP pulls_total Pulls.\n# TYPE pulls_total counter\n\
            pulls_total{worker=\"0\"} 3\npulls_total{worker=\"1\"} 4 1790000000000\n\
            pulls_total_more 9\npulls 7\n";
        assert_eq!(sum(text, "pulls_total"), Some(7.0));
        assert_eq!(sum(text, "pulls"), Some(7.0));
        assert_eq!(sum(text, "pull"), None);
    }
}

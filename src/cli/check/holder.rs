//! Which process listens on a port, as far as this user may see (Linux).

use std::fmt;
use std::fs;
use std::path::Path;

/// A process that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    name: String,
    pid: u32,
}

impl Holder {
    /// Whether it is this program.
    pub(super) fn is_portunus(&self) -> bool {
        self.name == env!("CARGO_PKG_NAME")
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name, self.pid)
    }
}

/// The first process found that listens on the TCP port. `None` where it is another user's, or where there is no
/// `/proc`.
pub(super) fn of_port(port: u16) -> Option<Holder> {
    let inodes: Vec<_> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| table.lines().filter_map(|line| listening(line, port)).collect::<Vec<_>>())
        .collect();
    if inodes.is_empty() {
        return None;
    }
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let pid = process.file_name().to_str()?.parse().ok()?;
        holds(&process.path(), &inodes).then(|| {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            Holder { name: name.trim().to_owned(), pid }
        })
    })
}

/// The inode of a socket that listens on `port`, from its line in the table (proc_pid_net(5)).
fn listening(line: &str, port: u16) -> Option<String> {
    const LISTEN: &str = "0A";
    let mut fields = line.split_whitespace();
    let (_, local) = fields.nth(1)?.split_once(':')?;
    let state = fields.nth(1)?;
    let is_it = state == LISTEN && u16::from_str_radix(local, 16) == Ok(port);
    is_it.then(|| fields.nth(5).map(str::to_owned))?
}

fn holds(process: &Path, inodes: &[String]) -> bool {
    let Ok(files) = fs::read_dir(process.join("fd")) else { return false };
    files.flatten().filter_map(|file| fs::read_link(file.path()).ok()).any(|target| {
        let inode = target.to_str().and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']'));
        inode.is_some_and(|inode| inodes.iter().any(|wanted| wanted == inode))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table_is_read() {
        let line = "   1: 0100007F:2253 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        \
                    0 4242 1 0000000000000000 100 0 0 10 0";
        assert_eq!(listening(line, 0x2253).as_deref(), Some("4242"));
        assert_eq!(listening(line, 0x2254), None);
        assert_eq!(listening(&line.replace(" 0A ", " 01 "), 0x2253), None, "a connection, no listener");
        assert_eq!(listening("  sl  local_address rem_address   st", 1), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_found_by_its_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let holder = of_port(listener.local_addr().unwrap().port()).unwrap();
        assert_eq!(holder.pid, std::process::id());
        assert!(!holder.is_portunus() || holder.name == "portunus");
    }
}

//! The listening socket: made for its owner alone, gone when dropped.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Gid, Mode, chmod, chown, fchmod, lstat, unlink};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect, listen,
    socket_with,
};

use crate::exit::Failure;

/// Connections the kernel keeps for us between two looks.
const BACKLOG: i32 = 16;

/// A socket that listens at a path of its own.
pub(crate) struct Listener {
    socket: OwnedFd,
    path: PathBuf,
    /// The file's device and number: what is removed in the end is ours.
    file: (u64, u64),
}

impl Listener {
    /// Listens at `path`: for the process's user, and for `group` where there is one. Only for who
    /// holds the region's claim: what a dead handler left there is replaced.
    ///
    /// # Errors
    /// Naming the path: something else is there, another handler's socket is, or the kernel refuses.
    pub(crate) fn open(path: &Path, group: Option<u32>) -> Result<Listener, Failure> {
        let refused = |what: &str, error: Errno| {
            let message = format!("control socket {}: {what}: {error}", path.display());
            match error {
                Errno::PERM | Errno::ACCESS => Failure::privilege(format!(
                    "{message}; let this process's user write its folder, or give it another path \
                     (`control` in [handler])"
                )),
                Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::ROFS => {
                    Failure::config(format!(
                        "{message}; make its folder, or give it another path (`control` in [handler])"
                    ))
                }
                _ => Failure::host(message),
            }
        };
        let address = SocketAddrUnix::new(path).map_err(|error| refused("its name", error))?;
        make_room(path, &address)?;
        let socket = stream(SocketFlags::NONBLOCK).map_err(|error| refused("socket", error))?;
        // The file gets the socket's mode as it comes into being: nobody else gets in between.
        let owner = Mode::RUSR | Mode::WUSR;
        fchmod(&socket, owner).map_err(|error| refused("fchmod", error))?;
        bind(&socket, &address).map_err(|error| refused("bind", error))?;
        let stat = lstat(path).map_err(|error| refused("lstat", error))?;
        let listener = Listener { socket, path: path.to_owned(), file: (stat.st_dev, stat.st_ino) };
        if let Some(group) = group {
            chown(path, None, Some(Gid::from_raw(group)))
                .map_err(|error| refused("chown to the handler's group", error))?;
        }
        let members = if group.is_some() { Mode::RGRP | Mode::WGRP } else { Mode::empty() };
        chmod(path, owner | members).map_err(|error| refused("chmod", error))?;
        listen(&listener.socket, BACKLOG).map_err(|error| refused("listen", error))?;
        Ok(listener)
    }

    /// The next connection, if one waits.
    pub(super) fn accept(&self) -> Option<OwnedFd> {
        // Whatever else an error is, it is of one connection, or passes.
        accept_with(&self.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK).ok()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let stat = lstat(&self.path);
        if stat.is_ok_and(|stat| (stat.st_dev, stat.st_ino) == self.file) {
            let _ = unlink(&self.path);
        }
    }
}

/// A stream socket.
pub(super) fn stream(flags: SocketFlags) -> Result<OwnedFd, Errno> {
    socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC | flags, None)
}

/// Removes a socket that nobody listens at.
fn make_room(path: &Path, address: &SocketAddrUnix) -> Result<(), Failure> {
    let Ok(stat) = lstat(path) else { return Ok(()) };
    let shown = path.display();
    if FileType::from_raw_mode(stat.st_mode) != FileType::Socket {
        return Err(Failure::config(format!(
            "{shown}: is something else and stays untouched; give the control socket another path \
             (`control` in [handler]) or remove it"
        )));
    }
    let heard = stream(SocketFlags::NONBLOCK).and_then(|socket| connect(&socket, address));
    if heard != Err(Errno::CONNREFUSED) {
        return Err(Failure::config(format!(
            "{shown}: is another process's control socket; give this handler one of its own \
             (`control` in [handler])"
        )));
    }
    unlink(path).map_err(|error| {
        Failure::host(format!("{shown}: can't remove what is left there: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("candor-control-{name}-{}", std::process::id()))
    }

    fn mode(path: &Path) -> u32 {
        lstat(path).unwrap().st_mode & 0o777
    }

    #[test]
    fn it_is_its_owners_alone_and_gone_in_the_end() {
        let path = path("mode");
        let listener = Listener::open(&path, None).unwrap();
        assert_eq!(mode(&path), 0o600);
        drop(listener);
        assert!(lstat(&path).is_err());
        let own = rustix::process::getgid().as_raw();
        let listener = Listener::open(&path, Some(own)).unwrap();
        assert_eq!(mode(&path), 0o660);
        assert_eq!(lstat(&path).unwrap().st_gid, own);
        // Another's at the same path is not ours to remove.
        unlink(&path).unwrap();
        std::fs::write(&path, "other").unwrap();
        drop(listener);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "other");
        let refused = Listener::open(&path, None).err().unwrap();
        assert_eq!(refused.exit, Exit::Config);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "other");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn what_the_dead_left_is_replaced_and_what_lives_is_not() {
        let path = path("stale");
        let listener = Listener::open(&path, None).unwrap();
        let refused = Listener::open(&path, None).err().unwrap();
        assert_eq!(refused.exit, Exit::Config);
        assert!(refused.message.contains("another process's"), "{refused}");
        // As SIGKILL leaves it: nobody listens, and the file is there.
        let left = Listener {
            socket: stream(SocketFlags::NONBLOCK).unwrap(),
            path: path.clone(),
            file: listener.file,
        };
        let Listener { socket, .. } = &listener;
        rustix::net::shutdown(socket, rustix::net::Shutdown::Both).unwrap();
        std::mem::forget(listener);
        let again = Listener::open(&path, None).unwrap();
        assert_eq!(mode(&path), 0o600);
        drop(left);
        drop(again);
        assert!(lstat(&path).is_err());
    }
}

//! A private PostgreSQL server for tests: in a folder of its own, on a Unix socket, gone when the test process is.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// A server that is running, or was killed and can be started again.
pub(crate) struct Server {
    programs: PathBuf,
    folder: PathBuf,
    /// Ends the server, and removes its folder, when its standard input closes: however this process ends.
    keeper: Mutex<Option<Child>>,
}

/// Starts the server, and removes the folder only when told to.
const KEEPER: &str = r#"
"$1/postgres" -D "$2/data" -c listen_addresses= -c unix_socket_directories="$2" -c max_connections=80 \
    -c shared_buffers=32MB -c logging_collector=off > "$2/log" 2>&1 &
server=$!
read -r word
# A server that is only just starting doesn't hear the first.
while kill -QUIT $server 2> /dev/null; do sleep 0.1; done
test "$word" = keep || rm -rf "$2"
"#;

impl Server {
    /// The server of this test process.
    pub(crate) fn shared() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(Self::start)
    }

    /// A server of its own, that may be killed.
    pub(crate) fn start() -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new().prefix("exportgate-postgres-").tempdir().unwrap().keep();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        if is_root() {
            let changed = Command::new("chown").arg(user()).arg(&folder).status().unwrap();
            assert!(changed.success(), "the folder of the server can't be given to `{}`", user());
        }
        let made = unprivileged(&programs.join("initdb"))
            .args(["--auth=trust", "--username=exportgate", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(folder.join("data"))
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));
        let server = Self { programs, folder, keeper: Mutex::new(None) };
        server.run();
        server
    }

    /// Starts the server, and waits until it takes connections.
    pub(crate) fn run(&self) {
        let child = unprivileged(Path::new("sh"))
            .args(["-c", KEEPER, "keeper"])
            .arg(&self.programs)
            .arg(&self.folder)
            .current_dir(&self.folder)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        *self.keeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let ready = Command::new(self.programs.join("pg_isready"))
                .args(["-q", "-h"])
                .arg(&self.folder)
                .args(["-U", "exportgate", "-d", "postgres"])
                .status();
            if ready.unwrap().success() {
                return;
            }
            let log = || std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "the server doesn't start: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills all processes of the server at once, as a machine that stops would.
    pub(crate) fn kill(&self) {
        let text = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        let postmaster = text.lines().next().unwrap().to_owned();
        // First it is stopped, so that it starts no other process, and none of those there are cleans up after another.
        let signal = |signal: &str, of: &[&str]| {
            Command::new("kill").arg(signal).args(of).stderr(Stdio::null()).status().unwrap();
        };
        signal("-STOP", &[&postmaster]);
        wait_until(&[&postmaster], |state| state.starts_with(['T', 'Z']));
        let workers = Command::new("pgrep").args(["-P", &postmaster]).output().unwrap();
        let workers = String::from_utf8(workers.stdout).unwrap();
        let all: Vec<&str> = workers.split_whitespace().chain([postmaster.as_str()]).collect();
        signal("-STOP", &all);
        signal("-KILL", &all);
        // The next server doesn't start while one of them still holds the shared memory, and a killed process gives it
        // back only when it gets to run.
        wait_until(&all, |state| state.starts_with('Z'));
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap();
        use std::io::Write as _;
        keeper.stdin.take().unwrap().write_all(b"keep\n").unwrap();
        keeper.wait().unwrap();
    }

    /// Makes an empty database.
    pub(crate) fn create_database(&self, name: &str) {
        let made = Command::new(self.programs.join("createdb"))
            .args(["-h"])
            .arg(&self.folder)
            .args(["-U", "exportgate", name])
            .output()
            .unwrap();
        assert!(made.status.success(), "createdb failed: {}", String::from_utf8_lossy(&made.stderr));
    }

    /// How a client names it.
    pub(crate) fn url(&self) -> String {
        format!("host={} user=exportgate dbname=postgres", self.folder.display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take() {
            drop(keeper.stdin.take());
            drop(keeper.wait());
        }
    }
}

/// Waits until each of these processes is in such a state, as `ps` names it, or is gone.
fn wait_until(processes: &[&str], reached: impl Fn(&str) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let states = Command::new("ps").args(["-o", "stat=", "-p", &processes.join(",")]).output().unwrap();
        let states = String::from_utf8(states.stdout).unwrap();
        if states.lines().all(|state| reached(state.trim())) {
            return;
        }
        assert!(Instant::now() < deadline, "the processes of the killed server stay: {states}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Where `initdb` and `postgres` are: in a folder of `PATH`, or where Debian has them.
fn programs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut debian: Vec<PathBuf> = versions.flatten().map(|version| version.path().join("bin")).collect();
    debian.sort();
    folders.extend(debian.into_iter().rev());
    folders
        .into_iter()
        // Links lead to the folder where the other programs are.
        .filter_map(|folder| folder.join("postgres").canonicalize().ok()?.parent().map(Path::to_owned))
        .find(|folder| ["initdb", "createdb", "pg_isready"].iter().all(|program| folder.join(program).exists()))
        .expect(
        "the tests of the PostgreSQL ledger start a server: install PostgreSQL (Debian: `apt-get install postgresql`)",
    )
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8_lossy(&id.stdout).trim() == "0"
}

/// Who runs the server where the tests are run by root, for whom PostgreSQL doesn't run.
fn user() -> &'static str {
    let exists = Command::new("id").arg("postgres").output().unwrap().status.success();
    if exists { "postgres" } else { "nobody" }
}

fn unprivileged(program: &Path) -> Command {
    if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", user(), "--regid", "nogroup", "--clear-groups", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}
